#include "crypto/jws.h"

#include <array>
#include <utility>

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>

#include "crypto/der.h"
#include "crypto/encoding.h"

namespace lodekey::crypto {
namespace {

using EcdsaSignature = CHandle<ECDSA_SIG, ECDSA_SIG_free>;
using BigNumber = CHandle<BIGNUM, BN_free>;

constexpr int kCoordinate = kEs256SignatureSize / 2;

std::unexpected<Error> Malformed(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text),
              {.name = "jws-malformed", .advice = "Give a token as it was issued."});
}

// RFC 7518, 3.4: r and s as 32 octets each, where X.509 has DER.
Result<Bytes> ToRaw(ByteView der) {
  const uint8_t* at = der.data();
  const EcdsaSignature parsed(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (!parsed) return FailSsl(Code::kInternal, "read a signature");
  Bytes raw(kEs256SignatureSize);
  if (BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), raw.data(), kCoordinate) != kCoordinate ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), raw.data() + kCoordinate, kCoordinate) !=
          kCoordinate) {
    return FailSsl(Code::kInternal, "write a signature");
  }
  return raw;
}

Result<Bytes> ToDer(ByteView raw) {
  BigNumber r(BN_bin2bn(raw.data(), kCoordinate, nullptr));
  BigNumber s(BN_bin2bn(raw.data() + kCoordinate, kCoordinate, nullptr));
  const EcdsaSignature signature(ECDSA_SIG_new());
  if (!r || !s || !signature || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1)
    return FailSsl(Code::kInternal, "make a signature");
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  return EncodeDer<i2d_ECDSA_SIG>(signature.get(), "encode a signature");
}

// The three parts of the compact form.
Result<std::array<std::string_view, 3>> Split(std::string_view text) {
  std::array<std::string_view, 3> parts;
  for (size_t i = 0; i < parts.size(); ++i) {
    const size_t end = text.find('.');
    const bool last = i + 1 == parts.size();
    if ((end == text.npos) != last) return Malformed("a token has three parts between two dots");
    parts[i] = text.substr(0, end);
    if (!last) text.remove_prefix(end + 1);
  }
  return parts;
}

Result<std::string> DecodePart(std::string_view part, std::string_view what) {
  const auto bytes = ParseBase64Url(part, kMaxJwsSize);
  if (!bytes) return Malformed(fmt::format("the {} is not base64url", what));
  return std::string(AsText(*bytes));
}

}  // namespace

std::string JwsSigningInput(std::string_view header, std::string_view payload) {
  return ToBase64Url(AsBytes(header)) + "." + ToBase64Url(AsBytes(payload));
}

Result<std::string> SignJws(const PrivateKey& key, std::string_view signing_input) {
  if (key.public_key().type() != KeyType::kEcP256)
    return Fail(Code::kInvalidArgument, "ES256 signs with keys on P-256");
  ASSIGN_OR_RETURN(const Bytes der,
                   key.Sign(SignatureScheme::kEcdsa, HashAlg::kSha256, AsBytes(signing_input)),
                   "sign a token");
  ASSIGN_OR_RETURN(const Bytes raw, ToRaw(der), "sign a token");
  return fmt::format("{}.{}", signing_input, ToBase64Url(raw));
}

Result<Jws> ParseJws(std::string_view text) {
  if (text.size() > kMaxJwsSize)
    return Malformed(fmt::format("a token is longer than {} bytes", kMaxJwsSize));
  ASSIGN_OR_RETURN(const auto parts, Split(text), "token");
  Jws jws;
  ASSIGN_OR_RETURN(jws.header, DecodePart(parts[0], "header"), "token");
  ASSIGN_OR_RETURN(jws.payload, DecodePart(parts[1], "payload"), "token");
  ASSIGN_OR_RETURN(const std::string signature, DecodePart(parts[2], "signature"), "token");
  if (signature.size() != kEs256SignatureSize)
    return Malformed("the signature does not have the size of one under ES256");
  jws.signature = ToBytes(signature);
  jws.signing_input = std::string(text.substr(0, parts[0].size() + 1 + parts[1].size()));
  return jws;
}

Result<void> VerifyJws(const PublicKey& key, const Jws& jws) {
  if (key.type() != KeyType::kEcP256 || jws.signature.size() != kEs256SignatureSize)
    return Fail(Code::kUntrusted, "not a signature under ES256", {.name = "signature-invalid"});
  ASSIGN_OR_RETURN(const Bytes der, ToDer(jws.signature), "verify a token");
  return key.Verify(SignatureScheme::kEcdsa, HashAlg::kSha256, AsBytes(jws.signing_input), der);
}

}  // namespace lodekey::crypto
