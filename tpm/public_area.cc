#include "tpm/public_area.h"

#include <array>
#include <utility>

#include <fmt/format.h>
#include <tss2/tss2_mu.h>

#include "base/reader.h"
#include "base/writer.h"
#include "tpm/failure.h"

namespace lodekey::tpm {
namespace {

constexpr std::string_view kMalformed = "public-malformed";
constexpr uint32_t kDefaultExponent = 65537;

Result<crypto::HashAlg> NameHash(TPMI_ALG_HASH alg) {
  const Result<crypto::HashAlg> hash = ToHashAlg(alg);
  if (hash && *hash != crypto::HashAlg::kSha1) return *hash;
  return Fail(Code::kInvalidArgument,
              fmt::format("the name algorithm 0x{:04x} is none of SHA-256, SHA-384, SHA-512", alg),
              {.name = "name-algorithm"});
}

Result<Name> NameOf(TPMI_ALG_HASH name_alg, ByteView content) {
  ASSIGN_OR_RETURN(const crypto::HashAlg hash, NameHash(name_alg), "compute the name");
  return std::move(Writer().U16Be(name_alg).Raw(crypto::Digest(hash, content))).Finish();
}

std::unexpected<Error> InvalidKey(std::string text) {
  return Fail(Code::kUntrusted, std::move(text), {.name = "key-invalid"});
}

std::unexpected<Error> UnknownKeyType(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text), {.name = "key-type"});
}

Result<crypto::PublicKey> RsaKey(const TPMT_PUBLIC& area) {
  const TPM2B_PUBLIC_KEY_RSA& modulus = area.unique.rsa;
  const uint32_t exponent = area.parameters.rsaDetail.exponent;
  const int bits = area.parameters.rsaDetail.keyBits;
  auto key = crypto::PublicKey::FromRsa({modulus.buffer, modulus.size},
                                        exponent == 0 ? kDefaultExponent : exponent);
  if (!key) return InvalidKey(std::move(key.error().text));
  if (key->bits() != bits) {
    return InvalidKey(fmt::format("a modulus of {} bits in an area for {}", key->bits(), bits));
  }
  return key;
}

// TPMs differ in whether they send leading zeros of a coordinate (part 1, C.8 asks for them).
Result<Bytes> PadCoordinate(const TPM2B_ECC_PARAMETER& value, size_t field_size) {
  if (value.size > field_size) {
    return InvalidKey(
        fmt::format("a coordinate of {} bytes, the field has {}", value.size, field_size));
  }
  Bytes padded(field_size - value.size, 0);
  padded.insert(padded.end(), value.buffer, value.buffer + value.size);
  return padded;
}

struct KnownCurve {
  TPM2_ECC_CURVE id;
  crypto::Curve curve;
  size_t field_size;
};
constexpr std::array kCurves = {KnownCurve{TPM2_ECC_NIST_P256, crypto::Curve::kP256, 32},
                                KnownCurve{TPM2_ECC_NIST_P384, crypto::Curve::kP384, 48},
                                KnownCurve{TPM2_ECC_NIST_P521, crypto::Curve::kP521, 66}};

Result<crypto::PublicKey> EccKey(const TPMT_PUBLIC& area) {
  const TPM2_ECC_CURVE id = area.parameters.eccDetail.curveID;
  for (const KnownCurve& known : kCurves) {
    if (known.id != id) continue;
    ASSIGN_OR_RETURN(Bytes x, PadCoordinate(area.unique.ecc.x, known.field_size), "read x");
    ASSIGN_OR_RETURN(Bytes y, PadCoordinate(area.unique.ecc.y, known.field_size), "read y");
    auto key = crypto::PublicKey::FromEcPoint(known.curve, {std::move(x), std::move(y)});
    if (!key) return InvalidKey(std::move(key.error().text));
    return key;
  }
  return UnknownKeyType(fmt::format("the curve 0x{:04x} is none of P-256, P-384, P-521", id));
}

Result<crypto::PublicKey> KeyOf(const TPMT_PUBLIC& area) {
  if (area.type == TPM2_ALG_RSA) return RsaKey(area);
  if (area.type == TPM2_ALG_ECC) return EccKey(area);
  return UnknownKeyType(fmt::format("an object of type 0x{:04x} is no RSA or ECC key", area.type));
}

Result<TPMT_PUBLIC> Unmarshal(ByteView tpm2b) {
  Reader reader(tpm2b, "public area");
  ASSIGN_OR_RETURN(const ByteView content, reader.Sized16(PublicArea::kMaxSize), "read the size");
  RETURN_IF_ERROR(reader.ExpectEnd(), "read the content");
  TPMT_PUBLIC area = {};
  size_t consumed = 0;
  RETURN_IF_ERROR(CheckMarshalling(Tss2_MU_TPMT_PUBLIC_Unmarshal(content.data(), content.size(),
                                                                 &consumed, &area),
                                   "unmarshal"),
                  "parse the public area");
  if (consumed != content.size()) {
    return Fail(Code::kInvalidArgument, fmt::format("the public area ends {} bytes before its size",
                                                    content.size() - consumed));
  }
  return area;
}

}  // namespace

PublicArea::PublicArea(const TPMT_PUBLIC& area, Bytes tpm2b, Name name, crypto::PublicKey key)
    : area_(area), tpm2b_(std::move(tpm2b)), name_(std::move(name)), key_(std::move(key)) {}

Result<PublicArea> PublicArea::Parse(ByteView tpm2b) {
  ASSIGN_OR_RETURN(const TPMT_PUBLIC area, NameFailure(Unmarshal(tpm2b), kMalformed),
                   "parse TPM2B_PUBLIC");
  ASSIGN_OR_RETURN(PublicArea parsed, FromTpmt(area), "parse TPM2B_PUBLIC");
  // The Name is computed from what we marshal: it must be what was sent.
  if (!Equal(parsed.tpm2b(), tpm2b)) {
    return Fail(Code::kInvalidArgument, "the public area is not in its own encoding",
                {.name = std::string(kMalformed)});
  }
  return parsed;
}

Result<PublicArea> PublicArea::FromTpmt(const TPMT_PUBLIC& area) {
  ASSIGN_OR_RETURN(const Bytes content, MarshalPublic(area), "read a public area");
  ASSIGN_OR_RETURN(Name name, NameOf(area.nameAlg, content), "read a public area");
  ASSIGN_OR_RETURN(crypto::PublicKey key, KeyOf(area), "read a public area");
  return PublicArea(area, std::move(Writer().Sized16(content)).Finish(), std::move(name),
                    std::move(key));
}

Result<Bytes> MarshalPublic(const TPMT_PUBLIC& area) {
  Bytes out(PublicArea::kMaxSize - sizeof(uint16_t));
  size_t size = 0;
  RETURN_IF_ERROR(
      NameFailure(CheckMarshalling(
                      Tss2_MU_TPMT_PUBLIC_Marshal(&area, out.data(), out.size(), &size), "marshal"),
                  kMalformed),
      "write a public area");
  out.resize(size);
  return out;
}

Result<Name> ComputeName(const TPMT_PUBLIC& area) {
  ASSIGN_OR_RETURN(const Bytes content, MarshalPublic(area), "compute the name");
  return NameOf(area.nameAlg, content);
}

Name HandleName(TPM2_HANDLE handle) { return std::move(Writer().U32Be(handle)).Finish(); }

Result<Name> QualifiedNameOfPrimary(const PublicArea& key, TPM2_HANDLE hierarchy) {
  return NameOf(key.name_alg(), Writer().U32Be(hierarchy).Raw(key.name()).view());
}

Result<crypto::HashAlg> ToHashAlg(TPM2_ALG_ID alg) {
  switch (alg) {
    case TPM2_ALG_SHA1: return crypto::HashAlg::kSha1;
    case TPM2_ALG_SHA256: return crypto::HashAlg::kSha256;
    case TPM2_ALG_SHA384: return crypto::HashAlg::kSha384;
    case TPM2_ALG_SHA512: return crypto::HashAlg::kSha512;
    default:
      return Fail(Code::kInvalidArgument, fmt::format("0x{:04x} is no hash that is known", alg));
  }
}

TPM2_ALG_ID FromHashAlg(crypto::HashAlg alg) {
  switch (alg) {
    case crypto::HashAlg::kSha1: return TPM2_ALG_SHA1;
    case crypto::HashAlg::kSha256: return TPM2_ALG_SHA256;
    case crypto::HashAlg::kSha384: return TPM2_ALG_SHA384;
    case crypto::HashAlg::kSha512: return TPM2_ALG_SHA512;
  }
  return TPM2_ALG_NULL;
}

}  // namespace lodekey::tpm
