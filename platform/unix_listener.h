// A listening unix stream socket with an accept thread of its own, so that every connection comes
// with its Peer (docs/architecture.md, Who called).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <sys/types.h>
#include <thread>

#include "base/result.h"
#include "platform/peer.h"
#include "platform/unique_fd.h"

namespace lodekey::platform {

// The number of a group that is given by name or number; -1 (which chown leaves unchanged) for the
// empty name. kNotFound "group-unknown".
Result<gid_t> FindGroup(const std::string& name);

class UnixListener {
 public:
  // Called on the accept thread, one connection at a time; must not block for long and must not
  // call Stop. The descriptor is close-on-exec and non-blocking. Connections whose peer cannot be
  // established are closed and never reach it.
  using Handler = std::function<void(UniqueFd, Peer)>;

  // Listens at `path` (at most 107 bytes) with exactly `mode`, owned by `group` (name or number;
  // empty: unchanged). Nobody can connect before mode and group are set. A socket that nobody
  // answers at is replaced; one that is answered at, a symlink or another kind of file fails with
  // kConflict "socket-in-use". An unknown group fails with kNotFound "group-unknown", a way to
  // identify peers that the kernel lacks with kHardware "peer-pidfd-unsupported".
  static Result<std::unique_ptr<UnixListener>> Create(const std::string& path, mode_t mode,
                                                      const std::string& group, Handler handler,
                                                      PeerMode peers = PeerMode::kAuto);

  // Stops, and removes the path while it is still ours.
  ~UnixListener();
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

  // Accepts no more; returns when the handler has returned for the last time. Idempotent.
  void Stop();

  const std::string& path() const { return path_; }

 private:
  UnixListener(std::string path, UniqueFd socket, UniqueFd stop, Handler handler, PeerMode peers);
  void AcceptLoop();
  bool AcceptOne();

  std::string path_;
  dev_t device_ = 0;  // of the path, to recognise it again
  ino_t inode_ = 0;
  UniqueFd socket_;
  UniqueFd stop_;  // eventfd
  Handler handler_;
  PeerMode peers_;
  std::thread thread_;
};

}  // namespace lodekey::platform
