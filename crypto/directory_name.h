// Directory names among a certificate's alternative names (RFC 5280, section 4.2.1.6): where makers
// of TPMs say which chip it is.
#pragma once

#include <string>
#include <vector>

#include "crypto/certificate.h"

namespace lodekey::crypto {

struct NameAttribute {
  std::string oid;    // dotted
  std::string value;  // UTF-8 as the certificate's writer chose it: any character
  bool operator==(const NameAttribute&) const = default;
};

// Of all of them in their order; at most `max`, and none whose value is no text.
std::vector<NameAttribute> DirectoryNameAttributes(const Certificate& certificate, size_t max = 16);

}  // namespace lodekey::crypto
