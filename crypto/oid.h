// Object identifiers as people write them: "2.23.133.8.1". Only the files that read OpenSSL's
// objects need more than IsDottedOid.
#pragma once

#include <string>
#include <string_view>

#include <openssl/objects.h>

namespace lodekey::crypto {

std::string DottedOid(const ASN1_OBJECT* object);

// Whether `text` is one, written as DottedOid writes it.
bool IsDottedOid(std::string_view text);

}  // namespace lodekey::crypto
