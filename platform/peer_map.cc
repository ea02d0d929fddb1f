#include "platform/peer_map.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <utility>

#include "platform/errno_error.h"

namespace lodekey::platform {
namespace {

constexpr uint64_t kStopId = 0;

}  // namespace

Result<ConnectionWatch::Registration> ConnectionWatch::Registration::Make(int epoll, int fd,
                                                                          uint32_t events,
                                                                          uint64_t id) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
    return FailErrno(errno, "watch a connection");
  return Registration(epoll, fd);
}

ConnectionWatch::Registration::Registration(Registration&& other) noexcept
    : epoll_(other.epoll_), fd_(std::exchange(other.fd_, -1)) {}

ConnectionWatch::Registration& ConnectionWatch::Registration::operator=(
    Registration&& other) noexcept {
  std::swap(epoll_, other.epoll_);
  std::swap(fd_, other.fd_);
  return *this;
}

ConnectionWatch::Registration::~Registration() {
  if (fd_ >= 0) epoll_ctl(epoll_, EPOLL_CTL_DEL, fd_, nullptr);
}

ConnectionWatch::ConnectionWatch(UniqueFd epoll, UniqueFd stop)
    : epoll_(std::move(epoll)), stop_(std::move(stop)) {
  thread_ = std::thread([this] { WatchLoop(); });
}

Result<std::unique_ptr<ConnectionWatch>> ConnectionWatch::Create() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kStopId}};
  if (!epoll.valid() || !stop.valid() ||
      epoll_ctl(epoll.get(), EPOLL_CTL_ADD, stop.get(), &event) != 0)
    return FailErrno(errno, "make an epoll instance");
  return std::unique_ptr<ConnectionWatch>(new ConnectionWatch(std::move(epoll), std::move(stop)));
}

ConnectionWatch::~ConnectionWatch() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

Result<void> ConnectionWatch::Add(int fd, int pidfd, Remembered what) {
  UniqueFd connection(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!connection.valid()) return FailErrno(errno, "duplicate a connection");
  const std::scoped_lock lock(mutex_);
  // Of a connection that had this number before, and whose end was not noticed yet.
  by_fd_.erase(fd);
  const uint64_t id = next_id_++;
  ASSIGN_OR_RETURN(auto hang_up, Registration::Make(epoll_.get(), connection.get(), EPOLLRDHUP, id),
                   "watch a connection");
  ASSIGN_OR_RETURN(auto exit, Registration::Make(epoll_.get(), pidfd, EPOLLIN, id),
                   "watch the process of a connection");
  by_fd_.emplace(fd, Entry{.id = id,
                           .what = std::move(what),
                           .connection = std::move(connection),
                           .hang_up = std::move(hang_up),
                           .exit = std::move(exit)});
  return {};
}

ConnectionWatch::Entries::const_iterator ConnectionWatch::FindEntry(
    std::string_view grpc_peer) const {
  constexpr std::string_view kPrefix = "fd:";
  if (!grpc_peer.starts_with(kPrefix)) return by_fd_.end();
  grpc_peer.remove_prefix(kPrefix.size());
  int fd = -1;
  const auto [end, error] =
      std::from_chars(grpc_peer.data(), grpc_peer.data() + grpc_peer.size(), fd);
  if (error != std::errc() || end != grpc_peer.data() + grpc_peer.size()) return by_fd_.end();
  return by_fd_.find(fd);
}

ConnectionWatch::Remembered ConnectionWatch::Find(std::string_view grpc_peer) const {
  const std::scoped_lock lock(mutex_);
  const auto entry = FindEntry(grpc_peer);
  return entry == by_fd_.end() ? nullptr : entry->second.what;
}

void ConnectionWatch::Close(std::string_view grpc_peer) {
  const std::scoped_lock lock(mutex_);
  End(FindEntry(grpc_peer));
}

size_t ConnectionWatch::size() const {
  const std::scoped_lock lock(mutex_);
  return by_fd_.size();
}

void ConnectionWatch::End(Entries::const_iterator entry) {
  if (entry == by_fd_.end()) return;
  // Whoever else holds the other end is cut off, and gRPC notices.
  ::shutdown(entry->second.connection.get(), SHUT_RDWR);
  by_fd_.erase(entry);
}

void ConnectionWatch::WatchLoop() {
  std::array<epoll_event, 16> events;
  for (;;) {
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const uint64_t id = events[static_cast<size_t>(i)].data.u64;
      if (id == kStopId) return;
      const std::scoped_lock lock(mutex_);
      // By id, not by number: the number may belong to the next connection already.
      End(std::ranges::find_if(by_fd_, [&](const auto& pair) { return pair.second.id == id; }));
    }
  }
}

}  // namespace lodekey::platform
