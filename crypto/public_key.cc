#include "crypto/public_key.h"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include "base/writer.h"
#include "crypto/curve.h"
#include "crypto/der.h"
#include "crypto/roca.h"
#include "crypto/spki.h"
#include "crypto/ssl_error.h"

namespace lodekey::crypto {
namespace {

using Number = CHandle<BIGNUM, BN_free>;
using ParamBuilder = CHandle<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Params = CHandle<OSSL_PARAM, OSSL_PARAM_free>;

constexpr int kMinRsaBits = 1024;
constexpr int kMaxRsaBits = 4096;
constexpr uint32_t kDefaultExponent = 65537;
constexpr uint8_t kUncompressed = 4;  // SEC 1, section 2.3.3

Number ToNumber(ByteView big_endian) {
  return Number(BN_bin2bn(big_endian.data(), static_cast<int>(big_endian.size()), nullptr));
}

Bytes FromNumber(const BIGNUM* number) {
  Bytes bytes(static_cast<size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, bytes.data());
  return bytes;
}

Result<Number> NumberParam(const EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) {
    return FailSsl(Code::kInternal, fmt::format("read '{}' of a key", name));
  }
  return Number(number);
}

Result<EvpKey> MakeKey(const char* type, OSSL_PARAM_BLD* builder) {
  Params params(OSSL_PARAM_BLD_to_param(builder));
  CHandle<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(
      EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (params == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return FailSsl(Code::kUntrusted, fmt::format("not a valid {} public key", type));
  }
  return EvpKey(key);
}

Result<void> CheckRsa(const BIGNUM* modulus, uint32_t exponent) {
  const int bits = BN_num_bits(modulus);
  if (bits < kMinRsaBits || bits > kMaxRsaBits) {
    return Fail(Code::kInvalidArgument, fmt::format("an RSA modulus of {} bits, not {} to {}", bits,
                                                    kMinRsaBits, kMaxRsaBits));
  }
  if (BN_is_odd(modulus) != 1) return Fail(Code::kInvalidArgument, "an even RSA modulus");
  if (exponent % 2 == 0 || exponent <= 0x10000) {
    return Fail(Code::kInvalidArgument,
                fmt::format("the RSA exponent {} is not an odd number above 65536", exponent));
  }
  return {};
}

// Any encoding that SEC 1 allows but the hybrid and the point at infinity, as 04 ‖ x ‖ y.
Result<Bytes> Uncompress(const CurveInfo& curve, ByteView encoded) {
  const bool plain = !encoded.empty() && encoded[0] >= 2 && encoded[0] <= kUncompressed;
  const EC_GROUP* group = Group(curve.curve);
  CHandle<EC_POINT, EC_POINT_free> point(EC_POINT_new(group));
  Bytes out(1 + 2 * curve.field_size);
  if (!plain || point == nullptr ||
      EC_POINT_oct2point(group, point.get(), encoded.data(), encoded.size(), nullptr) != 1 ||
      EC_POINT_point2oct(group, point.get(), POINT_CONVERSION_UNCOMPRESSED, out.data(), out.size(),
                         nullptr) != out.size()) {
    return FailSsl(Code::kUntrusted, fmt::format("not a point of the curve {}", curve.name));
  }
  return out;
}

Result<Bytes> EncodedPoint(const EVP_PKEY* key, const CurveInfo& curve) {
  Bytes encoded(1 + 2 * curve.field_size);
  size_t size = 0;
  if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, encoded.data(), encoded.size(),
                                      &size) != 1) {
    return FailSsl(Code::kInvalidArgument, "the key has no public point");
  }
  encoded.resize(size);
  return Uncompress(curve, encoded);
}

EcPoint Split(const CurveInfo& curve, ByteView uncompressed) {
  return {.x = ToBytes(uncompressed.subspan(1, curve.field_size)),
          .y = ToBytes(uncompressed.subspan(1 + curve.field_size))};
}

void AppendPadded(Writer& out, ByteView coordinate, size_t field_size) {
  out.Raw(Bytes(field_size - coordinate.size())).Raw(coordinate);
}

Result<PublicKey> RsaFromEvp(const EVP_PKEY* key) {
  ASSIGN_OR_RETURN(const Number modulus, NumberParam(key, OSSL_PKEY_PARAM_RSA_N), "RSA key");
  ASSIGN_OR_RETURN(const Number exponent, NumberParam(key, OSSL_PKEY_PARAM_RSA_E), "RSA key");
  if (BN_num_bits(exponent.get()) > 32 || BN_is_zero(exponent.get()) == 1) {
    return Fail(Code::kInvalidArgument, "the RSA exponent is zero or above 32 bits");
  }
  return PublicKey::FromRsa(FromNumber(modulus.get()),
                            static_cast<uint32_t>(BN_get_word(exponent.get())));
}

const CurveInfo* CurveOf(const EVP_PKEY* key) {
  char name[64] = {};
  size_t size = 0;
  if (EVP_PKEY_get_group_name(key, name, sizeof(name), &size) != 1) return nullptr;
  return FindCurve(std::string_view(name, size));
}

}  // namespace

PublicKey::PublicKey(EvpKey key, KeyType type, Bytes spki_der)
    : key_(std::move(key)),
      type_(type),
      spki_der_(std::move(spki_der)),
      spki_sha256_(Sha256(spki_der_)) {}

Result<PublicKey> PublicKey::FromSpkiDer(ByteView der) {
  // OpenSSL's decoder takes several times as long as all else. What is wrong with a key that does
  // not come of this, it says.
  for (const Curve curve : {Curve::kP256, Curve::kP384, Curve::kP521}) {
    const ByteView point = FindEcPoint(Describe(curve), der);
    if (point.empty() || point.front() != kUncompressed) continue;
    if (auto key = FromEcPoint(curve, Split(Describe(curve), point))) return key;
    ERR_clear_error();
  }
  ASSIGN_OR_RETURN(const EvpKey key, DecodeSpki(der), "parse a public key");
  return FromEvp(key.get());
}

Result<PublicKey> PublicKey::FromRsa(ByteView modulus, uint32_t exponent) {
  if (modulus.size() > kMaxSpkiSize) return Fail(Code::kInvalidArgument, "an overlong RSA modulus");
  const uint32_t effective = exponent == 0 ? kDefaultExponent : exponent;
  const Number n = ToNumber(modulus);
  RETURN_IF_ERROR(CheckRsa(n.get(), effective), "RSA public key");
  ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_uint32(builder.get(), OSSL_PKEY_PARAM_RSA_E, effective) != 1) {
    return FailSsl(Code::kInternal, "describe an RSA key");
  }
  ASSIGN_OR_RETURN(EvpKey key, MakeKey("RSA", builder.get()), "RSA public key");
  return PublicKey(std::move(key), KeyType::kRsa, EncodeRsaSpki(modulus, effective));
}

Result<PublicKey> PublicKey::FromEcPoint(Curve curve, const EcPoint& point) {
  const CurveInfo& info = Describe(curve);
  if (point.x.size() > info.field_size || point.y.size() > info.field_size) {
    return Fail(Code::kInvalidArgument,
                fmt::format("a coordinate has more than {} bytes", info.field_size));
  }
  Writer encoded;
  encoded.U8(kUncompressed);
  AppendPadded(encoded, point.x, info.field_size);
  AppendPadded(encoded, point.y, info.field_size);
  const ByteView octets = encoded.view();
  ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, info.name, 0) !=
          1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, octets.data(),
                                       octets.size()) != 1) {
    return FailSsl(Code::kInternal, "describe an EC key");
  }
  // Here OpenSSL checks that both coordinates are below p and that the point is on the curve.
  ASSIGN_OR_RETURN(EvpKey key, MakeKey("EC", builder.get()), "EC public key");
  return PublicKey(std::move(key), info.type, EncodeEcSpki(info, octets));
}

Result<PublicKey> PublicKey::FromEvp(EVP_PKEY* key) {
  if (key == nullptr) return Fail(Code::kInvalidArgument, "no key");
  if (EVP_PKEY_is_a(key, "RSA") == 1 || EVP_PKEY_is_a(key, "RSA-PSS") == 1) return RsaFromEvp(key);
  const CurveInfo* curve = EVP_PKEY_is_a(key, "EC") == 1 ? CurveOf(key) : nullptr;
  if (curve != nullptr) {
    ASSIGN_OR_RETURN(const Bytes encoded, EncodedPoint(key, *curve), "EC public key");
    return FromEcPoint(curve->curve, Split(*curve, encoded));
  }
  ERR_clear_error();
  ASSIGN_OR_RETURN(Bytes spki, EncodeDer<i2d_PUBKEY>(key, "encode the public key"), "public key");
  EVP_PKEY_up_ref(key);
  return PublicKey(EvpKey(key), KeyType::kOther, std::move(spki));
}

int PublicKey::bits() const { return EVP_PKEY_get_bits(key_.get()); }

bool PublicKey::HasRocaFingerprint() const {
  if (type_ != KeyType::kRsa) return false;
  const Result<Number> modulus = NumberParam(key_.get(), OSSL_PKEY_PARAM_RSA_N);
  return modulus && crypto::HasRocaFingerprint(FromNumber(modulus->get()));
}

Result<EcPoint> PublicKey::Point() const {
  const CurveInfo* curve = FindCurve(type_);
  if (curve == nullptr) return Fail(Code::kInvalidArgument, "the key has no curve point");
  ASSIGN_OR_RETURN(const Bytes encoded, EncodedPoint(key_.get(), *curve), "EC public key");
  return Split(*curve, encoded);
}

}  // namespace lodekey::crypto
