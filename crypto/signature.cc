#include "crypto/signature.h"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "crypto/curve.h"
#include "crypto/der.h"
#include "crypto/ssl_error.h"

namespace lodekey::crypto {
namespace {

using EcdsaSignature = CHandle<ECDSA_SIG, ECDSA_SIG_free>;

std::unexpected<Error> BadSignature(std::string text) {
  return Fail(Code::kUntrusted, std::move(text), {.name = "signature-invalid"});
}

bool InRange(const BIGNUM* number, const BIGNUM* order) {
  return BN_is_zero(number) == 0 && BN_is_negative(number) == 0 && BN_cmp(number, order) < 0;
}

// One signature has one encoding: else it could be changed on its way without being noticed, and a
// digest over it would not identify it.
Result<void> CheckEcdsaEncoding(const CurveInfo& curve, ByteView signature) {
  const unsigned char* at = signature.data();
  EcdsaSignature parsed(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(signature.size())));
  if (parsed == nullptr) {
    return BadSignature(FailSsl(Code::kUntrusted, "not an ECDSA signature in DER").error().text);
  }
  ASSIGN_OR_RETURN(const Bytes encoded, EncodeDer<i2d_ECDSA_SIG>(parsed.get(), "encode again"),
                   "ECDSA signature");
  if (!Equal(encoded, signature)) return BadSignature("the ECDSA signature is not strict DER");
  const BIGNUM* order = EC_GROUP_get0_order(Group(curve.curve));
  if (!InRange(ECDSA_SIG_get0_r(parsed.get()), order) ||
      !InRange(ECDSA_SIG_get0_s(parsed.get()), order)) {
    return BadSignature("r or s of the ECDSA signature is out of range");
  }
  return {};
}

int Initialise(EVP_PKEY_CTX* context, KeyUse use) {
  switch (use) {
    case KeyUse::kSign: return EVP_PKEY_sign_init(context);
    case KeyUse::kVerify: return EVP_PKEY_verify_init(context);
    case KeyUse::kEncrypt: return EVP_PKEY_encrypt_init(context);
    case KeyUse::kDecrypt: return EVP_PKEY_decrypt_init(context);
  }
  return 0;
}

Result<KeyContext> NewContext(EVP_PKEY* key, KeyUse use) {
  KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (context == nullptr || Initialise(context.get(), use) != 1) {
    return FailSsl(Code::kInternal, "set up a key operation");
  }
  return context;
}

int SetPadding(EVP_PKEY_CTX* context, SignatureScheme scheme, KeyUse use) {
  switch (scheme) {
    case SignatureScheme::kEcdsa: return 1;
    case SignatureScheme::kRsaPkcs1:
      return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING);
    case SignatureScheme::kRsaPss: break;
  }
  // TPMs salt with the digest's size or with all the room there is (TPM 2.0 part 1, B.7).
  const int salt = use == KeyUse::kVerify ? RSA_PSS_SALTLEN_AUTO : RSA_PSS_SALTLEN_DIGEST;
  if (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) != 1) return 0;
  return EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt);
}

}  // namespace

bool SchemeFits(KeyType type, SignatureScheme scheme) {
  if (scheme == SignatureScheme::kEcdsa) return FindCurve(type) != nullptr;
  return type == KeyType::kRsa;
}

Result<KeyContext> SignatureContext(EVP_PKEY* key, KeyUse use, SignatureScheme scheme,
                                    HashAlg hash) {
  ASSIGN_OR_RETURN(KeyContext context, NewContext(key, use), "signature");
  RETURN_IF_ERROR(SslCheck(SetPadding(context.get(), scheme, use), "set the padding"), "signature");
  RETURN_IF_ERROR(
      SslCheck(EVP_PKEY_CTX_set_signature_md(context.get(), FetchedDigest(hash)), "set the digest"),
      "signature");
  return context;
}

Result<KeyContext> OaepContext(EVP_PKEY* key, KeyUse use, HashAlg hash, std::string_view label) {
  ASSIGN_OR_RETURN(KeyContext context, NewContext(key, use), "RSAES-OAEP");
  const EVP_MD* digest = FetchedDigest(hash);
  if (EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), digest) != 1 ||
      EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), digest) != 1) {
    return FailSsl(Code::kInternal, "set up RSAES-OAEP");
  }
  if (label.empty()) return context;
  CHandle<void, [](void* p) { OPENSSL_free(p); }> copy(OPENSSL_memdup(label.data(), label.size()));
  RETURN_IF_ERROR(SslCheck(EVP_PKEY_CTX_set0_rsa_oaep_label(context.get(), copy.get(),
                                                            static_cast<int>(label.size())),
                           "set the label"),
                  "RSAES-OAEP");
  copy.release();  // NOLINT(bugprone-unused-return-value): now owned by the context
  return context;
}

Result<void> PublicKey::Verify(SignatureScheme scheme, HashAlg hash, ByteView message,
                               ByteView signature) const {
  if (!SchemeFits(type_, scheme)) return BadSignature("the signature scheme does not fit the key");
  if (hash == HashAlg::kSha1) return BadSignature("a signature over SHA-1 proves nothing");
  if (scheme == SignatureScheme::kEcdsa) {
    RETURN_IF_ERROR(CheckEcdsaEncoding(*FindCurve(type_), signature), "verify");
  }
  ASSIGN_OR_RETURN(const KeyContext context,
                   SignatureContext(key_.get(), KeyUse::kVerify, scheme, hash), "verify");
  const Bytes digest = Digest(hash, message);
  if (EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(),
                      digest.size()) != 1) {
    return BadSignature(FailSsl(Code::kUntrusted, "the signature does not verify").error().text);
  }
  return {};
}

Result<Bytes> PublicKey::EncryptOaep(HashAlg hash, std::string_view label_with_nul,
                                     ByteView plaintext) const {
  if (type_ != KeyType::kRsa) return Fail(Code::kInvalidArgument, "RSAES-OAEP needs an RSA key");
  ASSIGN_OR_RETURN(const KeyContext context,
                   OaepContext(key_.get(), KeyUse::kEncrypt, hash, label_with_nul), "encrypt");
  Bytes ciphertext(static_cast<size_t>(EVP_PKEY_get_size(key_.get())));
  size_t size = ciphertext.size();
  if (EVP_PKEY_encrypt(context.get(), ciphertext.data(), &size, plaintext.data(),
                       plaintext.size()) != 1) {
    return FailSsl(Code::kInvalidArgument, "encrypt with RSAES-OAEP");
  }
  ciphertext.resize(size);
  return ciphertext;
}

}  // namespace lodekey::crypto
