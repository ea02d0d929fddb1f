// What one source of calls is: whoever has a network of IPv6 has all addresses in it.
#pragma once

#include <cstddef>
#include <string>

namespace lodekey::issuer {

inline constexpr size_t kLinkPrefix = 64;  // bits: what a host has
inline constexpr size_t kSitePrefix = 48;  // bits: what somebody is given at most (RFC 6177)

// Of an IPv4 or IPv6 literal: the IPv4 address, also where IPv6 maps one, or the network of IPv6
// ("2001:db8:1:2::/64"). Any other text stays as it is. `prefix` is a whole number of bytes.
std::string NetworkOf(const std::string& address, size_t prefix = kLinkPrefix);

}  // namespace lodekey::issuer
