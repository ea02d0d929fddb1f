#include "tpm/signature.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/reader.h"
#include "base/writer.h"
#include "tpm/failure.h"

namespace lodekey::tpm {
namespace {

constexpr int kMinRsaBits = 2048;
constexpr uint32_t kRsaExponent = 65537;
constexpr uint8_t kDerInteger = 0x02;
constexpr uint8_t kDerSequence = 0x30;
constexpr uint8_t kDerLongLength = 0x81;  // one length byte follows

// The fields of a TPMT_SIGNATURE; the views point into it.
struct Signature {
  TPM2_ALG_ID scheme = TPM2_ALG_NULL;
  TPM2_ALG_ID hash = TPM2_ALG_NULL;
  ByteView r = {};    // ECDSA
  ByteView s = {};    // ECDSA
  ByteView rsa = {};  // RSASSA, RSAPSS
};

struct Scheme {
  TPM2_ALG_ID scheme = TPM2_ALG_NULL;
  TPM2_ALG_ID hash = TPM2_ALG_NULL;
};

std::unexpected<Error> Untrusted(std::string_view name, std::string text) {
  return Fail(Code::kUntrusted, std::move(text), {.name = std::string(name)});
}

bool IsRsaScheme(TPM2_ALG_ID scheme) {
  return scheme == TPM2_ALG_RSASSA || scheme == TPM2_ALG_RSAPSS;
}

Result<Signature> ReadSignature(ByteView bytes) {
  Reader reader(bytes, "signature");
  Signature signature;
  ASSIGN_OR_RETURN(signature.scheme, reader.U16Be(), "read the scheme");
  ASSIGN_OR_RETURN(signature.hash, reader.U16Be(), "read the hash");
  if (signature.scheme == TPM2_ALG_ECDSA) {
    ASSIGN_OR_RETURN(signature.r, reader.Sized16(TPM2_MAX_ECC_KEY_BYTES), "read r");
    ASSIGN_OR_RETURN(signature.s, reader.Sized16(TPM2_MAX_ECC_KEY_BYTES), "read s");
  } else if (IsRsaScheme(signature.scheme)) {
    ASSIGN_OR_RETURN(signature.rsa, reader.Sized16(TPM2_MAX_RSA_KEY_BYTES), "read the number");
  } else {
    return Untrusted("signature-algorithm",
                     fmt::format("0x{:04x} is no scheme of an attestation key", signature.scheme));
  }
  RETURN_IF_ERROR(reader.ExpectEnd(), "read the end");
  return signature;
}

Scheme SchemeOf(const TPMT_PUBLIC& area) {
  if (area.type == TPM2_ALG_ECC) {
    const TPMT_ECC_SCHEME& ecc = area.parameters.eccDetail.scheme;
    if (ecc.scheme == TPM2_ALG_ECDSA) return {ecc.scheme, ecc.details.ecdsa.hashAlg};
  } else if (area.type == TPM2_ALG_RSA) {
    const TPMT_RSA_SCHEME& rsa = area.parameters.rsaDetail.scheme;
    if (rsa.scheme == TPM2_ALG_RSASSA) return {rsa.scheme, rsa.details.rsassa.hashAlg};
    if (rsa.scheme == TPM2_ALG_RSAPSS) return {rsa.scheme, rsa.details.rsapss.hashAlg};
  }
  return {};
}

Result<void> CheckStrength(const PublicArea& key) {
  if (key.area().type != TPM2_ALG_RSA) return {};
  if (key.key().bits() < kMinRsaBits) {
    return Untrusted("key-weak", fmt::format("an RSA key of {} bits", key.key().bits()));
  }
  const uint32_t exponent = key.area().parameters.rsaDetail.exponent;
  if (exponent != 0 && exponent != kRsaExponent) {
    return Untrusted("key-weak", fmt::format("an RSA key with the exponent {}", exponent));
  }
  if (key.key().HasRocaFingerprint()) {
    return Untrusted("key-weak", "an RSA modulus with the ROCA fingerprint (CVE-2017-15361)");
  }
  return {};
}

// The hash of both, when they agree on scheme and hash.
Result<crypto::HashAlg> Agree(const Scheme& key, const Signature& signature) {
  if (key.scheme == TPM2_ALG_NULL || key.scheme != signature.scheme) {
    return Untrusted("signature-algorithm",
                     fmt::format("the key signs by scheme 0x{:04x}, the signature is of 0x{:04x}",
                                 key.scheme, signature.scheme));
  }
  const Result<crypto::HashAlg> hash = ToHashAlg(signature.hash);
  if (!hash || *hash == crypto::HashAlg::kSha1 || key.hash != signature.hash) {
    return Untrusted("signature-hash",
                     fmt::format("the key signs with hash 0x{:04x}, the signature has 0x{:04x}",
                                 key.hash, signature.hash));
  }
  return *hash;
}

Result<void> CheckFieldSize(const PublicArea& key, const Signature& signature) {
  const size_t field = (static_cast<size_t>(key.key().bits()) + 7) / 8;
  if (std::max(signature.r.size(), signature.s.size()) <= field) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("r and s of {} and {} bytes, the field has {}", signature.r.size(),
                          signature.s.size(), field),
              {.name = "signature-malformed"});
}

Result<void> Verify(const PublicArea& key, crypto::HashAlg hash, ByteView attested,
                    const Signature& signature) {
  if (signature.scheme == TPM2_ALG_ECDSA) {
    RETURN_IF_ERROR(CheckFieldSize(key, signature), "check the size");
    return key.key().Verify(crypto::SignatureScheme::kEcdsa, hash, attested,
                            EcdsaSignatureToDer(signature.r, signature.s));
  }
  const auto scheme = signature.scheme == TPM2_ALG_RSAPSS ? crypto::SignatureScheme::kRsaPss
                                                          : crypto::SignatureScheme::kRsaPkcs1;
  return key.key().Verify(scheme, hash, attested, signature.rsa);
}

ByteView WithoutLeadingZeros(ByteView number) {
  const auto first = std::ranges::find_if(number, [](uint8_t byte) { return byte != 0; });
  return number.subspan(static_cast<size_t>(first - number.begin()));
}

void AppendDerHeader(uint8_t tag, size_t length, Writer& out) {
  out.U8(tag);
  if (length >= 0x80) out.U8(kDerLongLength);
  out.U8(static_cast<uint8_t>(length));
}

void AppendDerInteger(ByteView number, Writer& out) {
  const ByteView digits = WithoutLeadingZeros(number);
  // A positive number never starts with a set bit, and zero still has one byte.
  const bool sign_byte = digits.empty() || (digits[0] & 0x80) != 0;
  AppendDerHeader(kDerInteger, digits.size() + (sign_byte ? 1 : 0), out);
  if (sign_byte) out.U8(0);
  out.Raw(digits);
}

Result<size_t> ReadDerHeader(Reader& reader, uint8_t tag) {
  ASSIGN_OR_RETURN(const uint8_t found, reader.U8(), "read a tag");
  if (found != tag) return Fail(Code::kInvalidArgument, "not an ECDSA-Sig-Value");
  ASSIGN_OR_RETURN(const uint8_t length, reader.U8(), "read a length");
  if (length != kDerLongLength) return size_t{length};
  ASSIGN_OR_RETURN(const uint8_t long_length, reader.U8(), "read a long length");
  return size_t{long_length};
}

Result<ByteView> ReadDerInteger(Reader& reader) {
  ASSIGN_OR_RETURN(const size_t size, ReadDerHeader(reader, kDerInteger), "read an integer");
  ASSIGN_OR_RETURN(const ByteView digits, reader.Take(size), "read an integer");
  return WithoutLeadingZeros(digits);
}

}  // namespace

Result<void> VerifyAttestationSignature(const PublicArea& key, ByteView attested,
                                        ByteView tpmt_signature) {
  RETURN_IF_ERROR(CheckStrength(key), "verify an attestation");
  ASSIGN_OR_RETURN(const Signature signature,
                   NameFailure(ReadSignature(tpmt_signature), "signature-malformed"),
                   "verify an attestation");
  ASSIGN_OR_RETURN(const crypto::HashAlg hash, Agree(SchemeOf(key.area()), signature),
                   "verify an attestation");
  auto verified = Verify(key, hash, attested, signature);
  if (!verified && verified.error().code == Code::kUntrusted) {
    verified.error().name = "signature-invalid";
  }
  RETURN_IF_ERROR(std::move(verified), "verify an attestation");
  return {};
}

Result<Bytes> MarshalSignature(TPM2_ALG_ID scheme, crypto::HashAlg hash, ByteView signature) {
  Writer out;
  out.U16Be(scheme).U16Be(FromHashAlg(hash));
  if (IsRsaScheme(scheme)) return std::move(out.Sized16(signature)).Finish();
  if (scheme != TPM2_ALG_ECDSA) {
    return Fail(Code::kInvalidArgument, fmt::format("0x{:04x} is no signing scheme", scheme));
  }
  Reader reader(signature, "ECDSA signature");
  RETURN_IF_ERROR(ReadDerHeader(reader, kDerSequence), "read an ECDSA signature");
  ASSIGN_OR_RETURN(const ByteView r, ReadDerInteger(reader), "read r");
  ASSIGN_OR_RETURN(const ByteView s, ReadDerInteger(reader), "read s");
  return std::move(out.Sized16(r).Sized16(s)).Finish();
}

Bytes EcdsaSignatureToDer(ByteView r, ByteView s) {
  Writer numbers;
  AppendDerInteger(r, numbers);
  AppendDerInteger(s, numbers);
  Writer out;
  AppendDerHeader(kDerSequence, numbers.view().size(), out);
  return std::move(out.Raw(numbers.view())).Finish();
}

}  // namespace lodekey::tpm
