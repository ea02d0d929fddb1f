// The address of a server as people write it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lodekey::platform {

struct HostPort {
  std::string host = {};  // DNS name, IPv4 address, or IPv6 address without brackets
  uint16_t port = 0;

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// "issuer.example", "issuer.example:7443", "192.0.2.1:7443", "[2001:db8::1]:7443". A name has at
// most 253 characters, and a last label that is not a number. Fails with kInvalidArgument; the text
// completes "'key' …".
Result<HostPort> ParseHostPort(std::string_view text, uint16_t default_port);

// With brackets around an IPv6 address: what gRPC and ParseHostPort read.
std::string FormatHostPort(const HostPort& address);

}  // namespace lodekey::platform
