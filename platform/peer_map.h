// Which process is behind a connection that was handed to gRPC. gRPC shows every unix peer as
// "unix:"; a connection accepted by us and handed over as a descriptor is seen by its handlers as
// "fd:N" (docs/architecture.md, Who called).
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

// Thread-safe.
class PeerMap {
 public:
  static Result<std::unique_ptr<PeerMap>> Create();
  ~PeerMap();
  PeerMap(const PeerMap&) = delete;
  PeerMap& operator=(const PeerMap&) = delete;

  // Remembers `peer` for connection `fd` until it hangs up. Call before the descriptor is handed
  // over. The number cannot be reused while a call on it lives: each stream holds its transport,
  // and only the transport closes it.
  Result<void> Add(int fd, Peer peer);

  // The peer behind "fd:N"; null for any other text or an unknown number: the call is denied.
  std::shared_ptr<const Peer> Find(std::string_view grpc_peer) const;

  size_t size() const;

 private:
  struct Entry {
    uint64_t id = 0;
    std::shared_ptr<const Peer> peer;
    UniqueFd watch;  // a dup of the connection: tells its end whatever happens to the number
  };

  PeerMap(UniqueFd epoll, UniqueFd stop);
  void WatchLoop();
  void Forget(uint64_t id);

  UniqueFd epoll_;
  UniqueFd stop_;
  mutable std::mutex mutex_;
  uint64_t next_id_ = 1;
  std::map<int, Entry> by_fd_;
  std::thread thread_;
};

}  // namespace lodekey::platform
