#include "platform/peer_map.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "platform/errno_error.h"

namespace lodekey::platform {
namespace {

constexpr uint64_t kStopId = 0;

Result<void> Watch(int epoll, int fd, uint64_t id, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return FailErrno(errno, "watch a connection");
}

}  // namespace

PeerMap::PeerMap(UniqueFd epoll, UniqueFd stop) : epoll_(std::move(epoll)), stop_(std::move(stop)) {
  thread_ = std::thread([this] { WatchLoop(); });
}

Result<std::unique_ptr<PeerMap>> PeerMap::Create() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll.valid() || !stop.valid()) return FailErrno(errno, "make an epoll instance");
  RETURN_IF_ERROR(Watch(epoll.get(), stop.get(), kStopId, EPOLLIN), "peer map");
  return std::unique_ptr<PeerMap>(new PeerMap(std::move(epoll), std::move(stop)));
}

PeerMap::~PeerMap() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

Result<void> PeerMap::Add(int fd, Peer peer) {
  UniqueFd watch(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!watch.valid()) return FailErrno(errno, "duplicate a connection");
  const int watched = watch.get();
  const std::scoped_lock lock(mutex_);
  const uint64_t id = next_id_++;
  by_fd_.insert_or_assign(fd, Entry{.id = id,
                                    .peer = std::make_shared<const Peer>(std::move(peer)),
                                    .watch = std::move(watch)});
  auto watching = Watch(epoll_.get(), watched, id, EPOLLRDHUP);
  if (!watching) by_fd_.erase(fd);
  return watching;
}

std::shared_ptr<const Peer> PeerMap::Find(std::string_view grpc_peer) const {
  constexpr std::string_view kPrefix = "fd:";
  if (!grpc_peer.starts_with(kPrefix)) return nullptr;
  grpc_peer.remove_prefix(kPrefix.size());
  int fd = -1;
  const auto [end, error] =
      std::from_chars(grpc_peer.data(), grpc_peer.data() + grpc_peer.size(), fd);
  if (error != std::errc() || end != grpc_peer.data() + grpc_peer.size()) return nullptr;
  const std::scoped_lock lock(mutex_);
  const auto entry = by_fd_.find(fd);
  return entry == by_fd_.end() ? nullptr : entry->second.peer;
}

size_t PeerMap::size() const {
  const std::scoped_lock lock(mutex_);
  return by_fd_.size();
}

void PeerMap::Forget(uint64_t id) {
  const std::scoped_lock lock(mutex_);
  // By id, not by number: the number may belong to the next connection already.
  const auto entry =
      std::ranges::find_if(by_fd_, [&](const auto& pair) { return pair.second.id == id; });
  if (entry != by_fd_.end()) by_fd_.erase(entry);
}

void PeerMap::WatchLoop() {
  std::array<epoll_event, 16> events;
  for (;;) {
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const uint64_t id = events[static_cast<size_t>(i)].data.u64;
      if (id == kStopId) return;
      Forget(id);
    }
  }
}

}  // namespace lodekey::platform
