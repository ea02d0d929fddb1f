// Who is behind a connection that was handed to gRPC. gRPC shows every unix peer as "unix:"; a
// connection accepted by us and handed over as a descriptor is seen by its handlers as "fd:N"
// (docs/architecture.md, Who called).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>

#include "base/result.h"
#include "platform/peer.h"
#include "platform/unique_fd.h"

namespace lodekey::platform {

// What a ConnectionMap does whatever it remembers. Thread-safe.
class ConnectionWatch {
 public:
  using Remembered = std::shared_ptr<const void>;

  static Result<std::unique_ptr<ConnectionWatch>> Create();
  ~ConnectionWatch();
  ConnectionWatch(const ConnectionWatch&) = delete;
  ConnectionWatch& operator=(const ConnectionWatch&) = delete;

  // `pidfd` stays open for as long as `what` lives.
  Result<void> Add(int fd, int pidfd, Remembered what);
  Remembered Find(std::string_view grpc_peer) const;
  void Close(std::string_view grpc_peer);
  size_t size() const;

 private:
  // Registered for as long as it lives. A closed descriptor alone would not leave the epoll
  // instance: gRPC has the same connection open.
  class Registration {
   public:
    static Result<Registration> Make(int epoll, int fd, uint32_t events, uint64_t id);
    Registration(Registration&& other) noexcept;
    Registration& operator=(Registration&& other) noexcept;
    ~Registration();

   private:
    Registration(int epoll, int fd) : epoll_(epoll), fd_(fd) {}
    int epoll_;
    int fd_;
  };
  struct Entry {
    uint64_t id = 0;
    Remembered what;
    UniqueFd connection;  // a dup: tells the end, and ends it, whatever happens to the number
    Registration hang_up;
    Registration exit;
  };

  ConnectionWatch(UniqueFd epoll, UniqueFd stop);
  using Entries = std::map<int, Entry>;

  void WatchLoop();
  Entries::const_iterator FindEntry(std::string_view grpc_peer) const;
  void End(Entries::const_iterator entry);

  UniqueFd epoll_;
  UniqueFd stop_;
  mutable std::mutex mutex_;
  uint64_t next_id_ = 1;
  Entries by_fd_;
  std::thread thread_;
};

// Remembers a T for each connection until the connection ends. It ends when the caller hangs up,
// and when the process that connected ends: a relative that inherited the socket is nobody here.
// Thread-safe.
template <class T>
class ConnectionMap {
 public:
  static Result<std::unique_ptr<ConnectionMap>> Create() {
    ASSIGN_OR_RETURN(auto watch, ConnectionWatch::Create(), "connections");
    return std::unique_ptr<ConnectionMap>(new ConnectionMap(std::move(watch)));
  }

  // `process` is of the caller and a part of `what`. Call before the descriptor is handed over. The
  // number cannot be reused while a call on it lives: each stream holds its transport, and only the
  // transport closes it.
  Result<void> Add(int fd, const UniqueFd& process, std::shared_ptr<const T> what) {
    return watch_->Add(fd, process.get(), std::move(what));
  }

  // What is behind "fd:N"; null for any other text or an unknown number: the call is denied.
  std::shared_ptr<const T> Find(std::string_view grpc_peer) const {
    return std::static_pointer_cast<const T>(watch_->Find(grpc_peer));
  }

  // Ends the connection behind "fd:N".
  void Close(std::string_view grpc_peer) { watch_->Close(grpc_peer); }

  size_t size() const { return watch_->size(); }

 private:
  explicit ConnectionMap(std::unique_ptr<ConnectionWatch> watch) : watch_(std::move(watch)) {}

  std::unique_ptr<ConnectionWatch> watch_;
};

using PeerMap = ConnectionMap<Peer>;

// For connections of which no more than the peer is known.
inline Result<void> Remember(PeerMap& map, int fd, Peer peer) {
  const auto shared = std::make_shared<const Peer>(std::move(peer));
  return map.Add(fd, shared->pidfd, shared);
}

}  // namespace lodekey::platform
