#include "crypto/padded_serial.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>

#include "base/reader.h"
#include "base/writer.h"
#include "crypto/der.h"

namespace lodekey::crypto {
namespace {

constexpr uint8_t kVersionTag = 0xa0;  // [0] EXPLICIT; absent in version 1

// A certificate around its serial number (RFC 5280, section 4.1).
struct Parts {
  ByteView version;  // its content; empty when absent
  ByteView serial;   // its content
  ByteView rest;     // of the TBSCertificate
  ByteView after;    // the TBSCertificate: algorithm and signature
};

Result<Parts> TakeApart(ByteView der) {
  Reader file(der, "certificate");
  ASSIGN_OR_RETURN(const ByteView content, TakeDerElement(file, kDerSequence), "certificate");
  RETURN_IF_ERROR(file.ExpectEnd(), "certificate");
  Reader outer(content, "certificate");
  ASSIGN_OR_RETURN(const ByteView tbs, TakeDerElement(outer, kDerSequence), "TBSCertificate");
  Reader inner(tbs, "TBSCertificate");
  Parts parts;
  if (!tbs.empty() && tbs[0] == kVersionTag) {
    ASSIGN_OR_RETURN(parts.version, TakeDerElement(inner, kVersionTag), "version");
  }
  ASSIGN_OR_RETURN(parts.serial, TakeDerElement(inner, kDerInteger), "serial number");
  parts.rest = tbs.subspan(inner.offset());
  parts.after = content.subspan(outer.offset());
  return parts;
}

Bytes Element(uint8_t tag, ByteView content) {
  Writer out;
  AppendDerHeader(out, tag, content.size());
  out.Raw(content);
  return std::move(out).Finish();
}

Bytes PutTogether(const Parts& parts) {
  Writer tbs;
  if (!parts.version.empty()) tbs.Raw(Element(kVersionTag, parts.version));
  tbs.Raw(Element(kDerInteger, parts.serial)).Raw(parts.rest);
  Writer content;
  content.Raw(Element(kDerSequence, tbs.view())).Raw(parts.after);
  return Element(kDerSequence, content.view());
}

bool IsPadded(ByteView integer) {
  return integer.size() > 1 && integer[0] == 0 && integer[1] < 0x80;
}

// The first element of the certificate with its header: what was signed.
ByteView SignedPart(ByteView der) {
  Reader file(der, "certificate");
  const Result<ByteView> content = TakeDerElement(file, kDerSequence);
  if (!content) return {};
  Reader outer(*content, "certificate");
  return TakeDerElement(outer, kDerSequence) ? content->first(outer.offset()) : ByteView();
}

}  // namespace

std::optional<Bytes> WithMinimalSerial(ByteView der) {
  Result<Parts> parts = TakeApart(der);
  if (!parts || !IsPadded(parts->serial)) return std::nullopt;
  while (IsPadded(parts->serial)) parts->serial = parts->serial.subspan(1);
  return PutTogether(*parts);
}

bool VerifiesAsWritten(const Certificate& certificate, const PublicKey& issuer_key) {
  const ByteView tbs = SignedPart(certificate.der());
  const ASN1_BIT_STRING* signature = nullptr;
  const X509_ALGOR* algorithm = nullptr;
  X509_get0_signature(&signature, &algorithm, certificate.x509());
  // Like X509_verify: the algorithm that was signed must be the one that is named outside.
  if (X509_ALGOR_cmp(algorithm, X509_get0_tbs_sigalg(certificate.x509())) != 0) return false;
  CHandle<ASN1_STRING, ASN1_STRING_free> sequence(ASN1_STRING_type_new(V_ASN1_SEQUENCE));
  if (tbs.empty() || sequence == nullptr ||
      ASN1_STRING_set(sequence.get(), tbs.data(), static_cast<int>(tbs.size())) != 1) {
    return false;
  }
  const int rc = ASN1_item_verify(ASN1_ITEM_rptr(ASN1_SEQUENCE), algorithm, signature,
                                  sequence.get(), issuer_key.evp());
  ERR_clear_error();
  return rc == 1;
}

}  // namespace lodekey::crypto
