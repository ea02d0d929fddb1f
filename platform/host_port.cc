#include "platform/host_port.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>

#include <fmt/format.h>

#include "platform/escape.h"

namespace lodekey::platform {
namespace {

// RFC 1035 section 2.3.4, a name without the trailing dot.
constexpr size_t kLongestName = 253;
constexpr size_t kLongestLabel = 63;

std::unexpected<Error> BadAddress(std::string_view text) {
  return Fail(Code::kInvalidArgument,
              fmt::format("must be a host and optional port such as issuer.example:7443 or "
                          "[2001:db8::1]:7443, not '{}'",
                          EscapeControl(text.substr(0, kLongestName))));
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsLabel(std::string_view text) {
  return !text.empty() && text.size() <= kLongestLabel && text.front() != '-' &&
         text.back() != '-' && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '-' ||
                  c == '_';
         });
}

// RFC 1123 section 2.1: the last label is not all digits, so that nothing is taken for a name that
// was meant as an IPv4 address, or as a port.
bool IsName(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.size() > kLongestName) return false;
  for (size_t dot = text.find('.'); dot != std::string_view::npos; dot = text.find('.')) {
    if (!IsLabel(text.substr(0, dot))) return false;
    text.remove_prefix(dot + 1);
  }
  return IsLabel(text) && !std::ranges::all_of(text, IsDigit);
}

bool IsIpv4(const std::string& text) {
  in_addr address = {};
  return inet_pton(AF_INET, text.c_str(), &address) == 1;
}

bool IsIpv6(const std::string& text) {
  in6_addr address = {};
  return inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

bool IsHost(const std::string& text, bool bracketed) {
  return bracketed ? IsIpv6(text) : IsIpv4(text) || IsName(text);
}

bool ReadPort(std::string_view text, uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0;
}

}  // namespace

Result<HostPort> ParseHostPort(std::string_view text, uint16_t default_port) {
  const bool bracketed = text.starts_with('[');
  const size_t host_end = bracketed ? text.find(']') : text.find(':');
  if (bracketed && host_end == std::string_view::npos) return BadAddress(text);

  HostPort address{.host = std::string(text.substr(bracketed, host_end - bracketed)),
                   .port = default_port};
  std::string_view rest = text.substr(std::min(text.size(), host_end));
  if (bracketed) rest.remove_prefix(1);
  if (!rest.empty() && (!rest.starts_with(':') || !ReadPort(rest.substr(1), address.port))) {
    return BadAddress(text);
  }
  if (!IsHost(address.host, bracketed)) return BadAddress(text);
  return address;
}

std::string FormatHostPort(const HostPort& address) {
  const bool ipv6 = address.host.find(':') != std::string::npos;
  return fmt::format(fmt::runtime(ipv6 ? "[{}]:{}" : "{}:{}"), address.host, address.port);
}

}  // namespace lodekey::platform
