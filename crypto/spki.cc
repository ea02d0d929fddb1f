#include "crypto/spki.h"

#include <array>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "base/writer.h"
#include "crypto/der.h"
#include "crypto/ssl_error.h"

namespace lodekey::crypto {
namespace {

using SpkiHandle = CHandle<X509_PUBKEY, X509_PUBKEY_free>;
using KeyHandle = CHandle<EVP_PKEY, EVP_PKEY_free>;

constexpr uint8_t kSignBit = 0x80;
// OBJECT IDENTIFIER rsaEncryption, NULL.
constexpr std::array<uint8_t, 13> kRsaEncryption = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
                                                    0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
// OBJECT IDENTIFIER id-ecPublicKey; that of the curve follows.
constexpr std::array<uint8_t, 9> kEcPublicKey = {0x06, 0x07, 0x2a, 0x86, 0x48,
                                                 0xce, 0x3d, 0x02, 0x01};

void AppendElement(Writer& out, uint8_t tag, ByteView content) {
  AppendDerHeader(out, tag, content.size());
  out.Raw(content);
}

// A positive INTEGER from a magnitude that may have leading zeros.
void AppendInteger(Writer& out, ByteView magnitude) {
  while (magnitude.size() > 1 && magnitude.front() == 0) magnitude = magnitude.subspan(1);
  const bool signed_bit = !magnitude.empty() && magnitude.front() >= kSignBit;
  AppendDerHeader(out, kDerInteger, magnitude.size() + (signed_bit ? 1 : 0));
  if (signed_bit) out.U8(0);
  out.Raw(magnitude);
}

Bytes Encode(ByteView algorithm, ByteView key) {
  Writer content;
  AppendElement(content, kDerSequence, algorithm);
  AppendDerHeader(content, kDerBitString, key.size() + 1);
  content.U8(0).Raw(key);  // no unused bits
  Writer spki;
  AppendElement(spki, kDerSequence, content.view());
  return std::move(spki).Finish();
}

struct Spki {
  int algorithm;  // NID
  ByteView key;   // content of the BIT STRING
};

Spki Look(X509_PUBKEY* spki) {
  ASN1_OBJECT* algorithm = nullptr;
  const unsigned char* key = nullptr;
  int size = 0;
  X509_PUBKEY_get0_param(&algorithm, &key, &size, nullptr, spki);
  return {OBJ_obj2nid(algorithm), {key, static_cast<size_t>(size)}};
}

Result<SpkiHandle> ParseSpki(ByteView der) {
  const unsigned char* at = der.data();
  SpkiHandle spki(d2i_X509_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  if (spki == nullptr) return FailSsl(Code::kInvalidArgument, "not a SubjectPublicKeyInfo");
  if (at != der.data() + der.size()) {
    return Fail(Code::kInvalidArgument, "there are bytes after the SubjectPublicKeyInfo");
  }
  return spki;
}

// The key that OpenSSL decoded when it parsed.
Result<KeyHandle> KeyOf(const X509_PUBKEY* spki) {
  KeyHandle key(X509_PUBKEY_get(spki));
  if (key == nullptr) return FailSsl(Code::kInvalidArgument, "the public key cannot be decoded");
  return key;
}

}  // namespace

Result<KeyHandle> DecodeSpki(ByteView der) {
  if (der.size() > kMaxSpkiSize) {
    return Fail(Code::kInvalidArgument, fmt::format("a public key of {} bytes, at most {} allowed",
                                                    der.size(), kMaxSpkiSize));
  }
  ASSIGN_OR_RETURN(const SpkiHandle spki, ParseSpki(der), "public key");
  const Spki content = Look(spki.get());
  if (content.algorithm != NID_rsassaPss && content.algorithm != NID_rsaesOaep) {
    return KeyOf(spki.get());
  }
  ERR_clear_error();
  ASSIGN_OR_RETURN(const SpkiHandle plain, ParseSpki(Encode(kRsaEncryption, content.key)),
                   "public key");
  return KeyOf(plain.get());
}

Bytes EncodeRsaSpki(ByteView modulus, uint32_t exponent) {
  Writer big_endian;
  big_endian.U32Be(exponent);
  Writer numbers;
  AppendInteger(numbers, modulus);
  AppendInteger(numbers, big_endian.view());
  Writer key;
  AppendElement(key, kDerSequence, numbers.view());
  return Encode(kRsaEncryption, key.view());
}

Bytes EncodeEcSpki(const CurveInfo& curve, ByteView point) {
  Writer algorithm;
  algorithm.Raw(kEcPublicKey);
  AppendElement(algorithm, kDerOid, curve.oid);
  return Encode(algorithm.view(), point);
}

ByteView FindEcPoint(const CurveInfo& curve, ByteView spki) {
  const size_t size = 1 + 2 * curve.field_size;
  if (spki.size() <= size) return {};
  const ByteView point = spki.last(size);
  return Equal(EncodeEcSpki(curve, point), spki) ? point : ByteView();
}

}  // namespace lodekey::crypto
