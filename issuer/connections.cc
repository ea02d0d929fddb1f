#include "issuer/connections.h"

#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "issuer/network.h"
#include "platform/unique_fd.h"

namespace lodekey::issuer {
namespace {

constexpr std::string_view kV6 = "ipv6:%5B";  // how gRPC names a peer on IPv6

// The peer of a socket as gRPC writes it; nullopt for anything else.
std::optional<std::string> PeerName(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (storage.ss_family == AF_INET) {
    const auto* address = reinterpret_cast<const sockaddr_in*>(&storage);
    inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size());
    return fmt::format("ipv4:{}:{}", text.data(), ntohs(address->sin_port));
  }
  if (storage.ss_family != AF_INET6) return std::nullopt;
  const auto* address = reinterpret_cast<const sockaddr_in6*>(&storage);
  if (IN6_IS_ADDR_V4MAPPED(&address->sin6_addr)) {
    inet_ntop(AF_INET, &address->sin6_addr.s6_addr[12], text.data(), text.size());
    return fmt::format("ipv4:{}:{}", text.data(), ntohs(address->sin6_port));
  }
  inet_ntop(AF_INET6, &address->sin6_addr, text.data(), text.size());
  return fmt::format("ipv6:%5B{}%5D:{}", text.data(), ntohs(address->sin6_port));
}

bool ShutDownPeer(const std::string& peer) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const std::string name = entry.path().filename();
    int fd = -1;
    if (std::from_chars(name.data(), name.data() + name.size(), fd).ec != std::errc()) continue;
    const platform::UniqueFd duplicate(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (duplicate.valid() && PeerName(duplicate.get()) == peer)
      return shutdown(duplicate.get(), SHUT_RDWR) == 0;
  }
  return false;
}

}  // namespace

void Connections::Note(const NodeId& node, const std::string& peer) {
  const std::scoped_lock lock(mutex_);
  peers_[node] = peer;
}

bool Connections::Close(const NodeId& node) {
  farewell_(node);
  std::string peer;
  {
    const std::scoped_lock lock(mutex_);
    const auto entry = peers_.find(node);
    if (entry == peers_.end()) return false;
    peer = std::move(entry->second);
    peers_.erase(entry);
  }
  return ShutDownPeer(peer);
}

std::string AddressOf(std::string_view grpc_peer) {
  constexpr std::string_view kV4 = "ipv4:";
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (grpc_peer.starts_with(kV4)) {
    const std::string address(grpc_peer.substr(kV4.size(), grpc_peer.rfind(':') - kV4.size()));
    in_addr parsed{};
    if (inet_pton(AF_INET, address.c_str(), &parsed) != 1) return {};
    return inet_ntop(AF_INET, &parsed, text.data(), text.size());
  }
  if (!grpc_peer.starts_with(kV6)) return {};
  const std::string_view inner = grpc_peer.substr(kV6.size());
  const std::string address(inner.substr(0, std::min(inner.find("%25"), inner.find("%5D"))));
  in6_addr parsed{};
  if (inet_pton(AF_INET6, address.c_str(), &parsed) != 1) return {};
  // A socket for both shows IPv4 addresses as mapped ones (RFC 4291, section 2.5.5.2).
  if (IN6_IS_ADDR_V4MAPPED(&parsed))
    return inet_ntop(AF_INET, parsed.s6_addr + 12, text.data(), text.size());
  return inet_ntop(AF_INET6, &parsed, text.data(), text.size());
}

std::string SourceOf(std::string_view grpc_peer) {
  const std::string address = AddressOf(grpc_peer);
  if (!address.empty()) return NetworkOf(address);
  return std::string(grpc_peer.substr(0, grpc_peer.rfind(':')));
}

}  // namespace lodekey::issuer
