#include "tests/e2e/proxy.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <utility>
#include <vector>

namespace lodekey::test {
namespace {

// Empty at the end of the stream.
Bytes ReceiveSome(const Fd& fd, size_t most) {
  Bytes bytes(most);
  const ssize_t size = recv(fd.get(), bytes.data(), bytes.size(), 0);
  bytes.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return bytes;
}

pollfd Watch(const Fd& fd) { return {.fd = fd.get(), .events = POLLIN, .revents = 0}; }

}  // namespace

Proxy::Proxy(int upstream_port, std::string source)
    : source_(std::move(source)),
      listener_(ListenOnLoopback()),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  mode_.upstream_port = upstream_port;
  thread_ = std::thread([this] { Serve(); });
}

Proxy::~Proxy() {
  Change([](Mode& mode) { mode.stopping = true; });
  thread_.join();
}

void Proxy::LoseReplyWhen(std::function<bool()> due) {
  const std::scoped_lock lock(mutex_);
  due_ = std::move(due);
  lost_ = false;
}

bool Proxy::lost_reply() const {
  const std::scoped_lock lock(mutex_);
  return lost_;
}

void Proxy::Trickle(size_t bytes, std::chrono::milliseconds pause) {
  Change([&](Mode& mode) {
    mode.chunk = bytes;
    mode.pause = pause;
  });
}

void Proxy::Stall(bool stalled) {
  Change([&](Mode& mode) { mode.stalled = stalled; });
}

void Proxy::Redirect(int upstream_port) {
  Change([&](Mode& mode) { mode.upstream_port = upstream_port; });
}

bool Proxy::holds_request() const {
  const std::scoped_lock lock(mutex_);
  return holds_;
}

Proxy::Mode Proxy::mode() const {
  const std::scoped_lock lock(mutex_);
  return mode_;
}

void Proxy::Change(const std::function<void(Mode&)>& change) {
  {
    const std::scoped_lock lock(mutex_);
    change(mode_);
  }
  eventfd_write(wake_.get(), 1);
}

void Proxy::Serve() {
  for (Mode now = mode(); !now.stopping; now = mode()) {
    std::erase_if(links_, [&](const Link& link) { return link.port != now.upstream_port; });
    if (!now.stalled) std::erase_if(links_, [&](Link& link) { return !Release(link); });
    std::vector<pollfd> watched = {Watch(wake_), Watch(listener_.fd)};
    for (const Link& link : links_) {
      watched.push_back(Watch(link.client));
      watched.push_back(now.stalled ? pollfd{.fd = -1, .events = 0, .revents = 0}
                                    : Watch(link.server));
    }
    if (poll(watched.data(), watched.size(), /*timeout=*/-1) < 0) continue;
    eventfd_t ignored = 0;
    eventfd_read(wake_.get(), &ignored);
    auto entry = watched.begin() + 2;
    for (auto link = links_.begin(); link != links_.end(); entry += 2) {
      const bool keep = (entry->revents == 0 || Ask(*link, now)) &&
                        ((entry + 1)->revents == 0 || Answer(*link, now));
      link = keep ? std::next(link) : links_.erase(link);
    }
    if (watched[1].revents != 0) Accept(now);
  }
}

void Proxy::Accept(const Mode& mode) {
  Link link{.client = Fd(accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC)),
            .server = ConnectOnLoopback(source_, mode.upstream_port),
            .port = mode.upstream_port};
  if (link.client.get() >= 0 && link.server.get() >= 0) links_.push_back(std::move(link));
}

bool Proxy::Ask(Link& link, const Mode& mode) {
  const Bytes bytes = ReceiveSome(link.client, mode.chunk);
  link.held.insert(link.held.end(), bytes.begin(), bytes.end());
  if (bytes.empty()) return false;
  if (!mode.stalled) {
    const bool sent = Release(link);
    std::this_thread::sleep_for(mode.pause);
    return sent;
  }
  const std::scoped_lock lock(mutex_);
  holds_ = true;
  return true;
}

bool Proxy::Answer(Link& link, const Mode& mode) {
  const Bytes bytes = ReceiveSome(link.server, mode.chunk);
  if (bytes.empty() || LosesThis()) return false;
  const bool sent = SendAll(link.client.get(), bytes).has_value();
  std::this_thread::sleep_for(mode.pause);
  return sent;
}

bool Proxy::Release(Link& link) {
  return SendAll(link.server.get(), std::exchange(link.held, {})).has_value();
}

bool Proxy::LosesThis() {
  const std::scoped_lock lock(mutex_);
  if (!due_ || !due_()) return false;
  due_ = nullptr;
  lost_ = true;
  return true;
}

}  // namespace lodekey::test
