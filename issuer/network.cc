#include "issuer/network.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <iterator>

namespace lodekey::issuer {

std::string NetworkOf(const std::string& address, size_t prefix) {
  in6_addr parsed{};
  if (inet_pton(AF_INET6, address.c_str(), &parsed) != 1) return address;
  std::array<char, INET6_ADDRSTRLEN> text{};
  // RFC 4291, section 2.5.5.2.
  if (IN6_IS_ADDR_V4MAPPED(&parsed))
    return inet_ntop(AF_INET, parsed.s6_addr + 12, text.data(), text.size());
  std::fill(std::begin(parsed.s6_addr) + prefix / 8, std::end(parsed.s6_addr), 0);
  const std::string network = inet_ntop(AF_INET6, &parsed, text.data(), text.size());
  return network + "/" + std::to_string(prefix);
}

}  // namespace lodekey::issuer
