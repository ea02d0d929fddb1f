// The NIST curves that keys may be on. Private to crypto.
#pragma once

#include <optional>
#include <string_view>

#include <openssl/ec.h>

#include "crypto/public_key.h"

namespace lodekey::crypto {

struct CurveInfo {
  Curve curve;
  KeyType type;
  const char* name;  // OpenSSL's group name
  int nid;
  size_t field_size;  // bytes of one coordinate
  ByteView oid;       // content of the OBJECT IDENTIFIER
};

const CurveInfo& Describe(Curve curve);
const CurveInfo* FindCurve(KeyType type);           // null: not a curve
const CurveInfo* FindCurve(std::string_view name);  // null: not one of ours

// Shared and immutable; lives as long as the process.
const EC_GROUP* Group(Curve curve);

}  // namespace lodekey::crypto
