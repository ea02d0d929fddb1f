// The network between an agent and its issuer, with weather: loses replies, trickles, stalls. Sees
// TLS records only.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "tests/e2e/loopback.h"
#include "tests/support/unix_socket.h"

namespace lodekey::test {

class Proxy {
 public:
  // Forwards connections on a port of its own to `upstream_port` on loopback, where they come from
  // `source`.
  explicit Proxy(int upstream_port, std::string source = "127.0.0.1");
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(listener_.port); }

  // Once: the first bytes of the server that come while `due` says so are dropped, and their
  // connection ends. `due` is called in the proxy's thread.
  void LoseReplyWhen(std::function<bool()> due);
  bool lost_reply() const;

  // From now on `bytes` at a time, with a pause after each.
  void Trickle(size_t bytes, std::chrono::milliseconds pause);
  // While stalled: takes connections and requests, and passes nothing on.
  void Stall(bool stalled);
  bool holds_request() const;
  // From now on forwards to this port; what goes elsewhere ends.
  void Redirect(int upstream_port);

 private:
  struct Link {
    Fd client;
    Fd server;
    int port = 0;     // of the server
    Bytes held = {};  // of the client, while stalled
  };
  // What the weather is; copied under the mutex.
  struct Mode {
    int upstream_port = 0;
    bool stopping = false;
    bool stalled = false;
    size_t chunk = 16384;
    std::chrono::milliseconds pause{0};
  };

  void Serve();
  void Accept(const Mode& mode);
  // These are false when the link is over.
  bool Ask(Link& link, const Mode& mode);
  bool Answer(Link& link, const Mode& mode);
  bool Release(Link& link);
  bool LosesThis();
  Mode mode() const;
  void Change(const std::function<void(Mode&)>& change);

  std::string source_;
  Listener listener_;
  Fd wake_;
  std::list<Link> links_;

  mutable std::mutex mutex_;
  Mode mode_;
  bool lost_ = false;
  bool holds_ = false;
  std::function<bool()> due_;

  std::thread thread_;
};

}  // namespace lodekey::test
