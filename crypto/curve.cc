#include "crypto/curve.h"

#include <array>
#include <cstdlib>

#include <openssl/obj_mac.h>

namespace lodekey::crypto {
namespace {

// RFC 5480, section 2.1.1.1.
constexpr std::array<uint8_t, 8> kP256 = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr std::array<uint8_t, 5> kP384 = {0x2b, 0x81, 0x04, 0x00, 0x22};
constexpr std::array<uint8_t, 5> kP521 = {0x2b, 0x81, 0x04, 0x00, 0x23};

constexpr std::array<CurveInfo, 3> kCurves = {{
    {Curve::kP256, KeyType::kEcP256, "prime256v1", NID_X9_62_prime256v1, 32, kP256},
    {Curve::kP384, KeyType::kEcP384, "secp384r1", NID_secp384r1, 48, kP384},
    {Curve::kP521, KeyType::kEcP521, "secp521r1", NID_secp521r1, 66, kP521},
}};

}  // namespace

const CurveInfo& Describe(Curve curve) { return kCurves[static_cast<size_t>(curve)]; }

const CurveInfo* FindCurve(KeyType type) {
  for (const CurveInfo& info : kCurves) {
    if (info.type == type) return &info;
  }
  return nullptr;
}

const CurveInfo* FindCurve(std::string_view name) {
  for (const CurveInfo& info : kCurves) {
    if (info.name == name) return &info;
  }
  return nullptr;
}

const EC_GROUP* Group(Curve curve) {
  static const std::array<const EC_GROUP*, kCurves.size()> groups = [] {
    std::array<const EC_GROUP*, kCurves.size()> all{};
    for (const CurveInfo& info : kCurves) {
      const EC_GROUP* group = EC_GROUP_new_by_curve_name(info.nid);
      if (group == nullptr) std::abort();  // an OpenSSL without NIST curves cannot serve us
      all[static_cast<size_t>(info.curve)] = group;
    }
    return all;
  }();
  return groups[static_cast<size_t>(curve)];
}

}  // namespace lodekey::crypto
