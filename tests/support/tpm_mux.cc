#include "tests/support/tpm_mux.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <utility>
#include <vector>

#include "base/writer.h"

namespace lodekey::test {
namespace {

// A chip may search minutes for RSA primes.
constexpr int kAnswerTimeoutMs = 300000;

// swtpm's control channel: a 32-bit command, its arguments, a 32-bit result (swtpm_ioctls(3)). The
// TCTI sets the locality when it opens; every other command would touch the TPM of the other
// programs.
constexpr uint32_t kSetLocality = 5;
constexpr size_t kSetLocalitySize = 5;
constexpr uint32_t kBadOrdinal = 10;

uint32_t ControlCode(ByteView bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

Result<Bytes> Forward(const std::string& upstream, ByteView command) {
  ASSIGN_OR_RETURN(const Fd fd, ConnectUnix(upstream), "TPM");
  return ExchangeTpm(fd.get(), command, kAnswerTimeoutMs);
}

pollfd Watch(const Fd& fd) { return {.fd = fd.get(), .events = POLLIN, .revents = 0}; }

}  // namespace

Result<std::unique_ptr<TpmMux>> TpmMux::Start(const std::string& upstream,
                                              const std::string& path) {
  ASSIGN_OR_RETURN(Fd server, ListenUnix(path), "TPM mux");
  ASSIGN_OR_RETURN(Fd control, ListenUnix(path + ".ctrl"), "TPM mux");
  Fd stop(eventfd(0, EFD_CLOEXEC));
  if (stop.get() < 0) return Fail(Code::kUnavailable, "TPM mux: eventfd");
  std::unique_ptr<TpmMux> mux(
      new TpmMux(upstream, path, std::move(server), std::move(control), std::move(stop)));
  mux->thread_ = std::thread([raw = mux.get()] { raw->Serve(); });
  return mux;
}

TpmMux::TpmMux(std::string upstream, std::string path, Fd server, Fd control, Fd stop)
    : upstream_(std::move(upstream)),
      path_(std::move(path)),
      server_(std::move(server)),
      control_(std::move(control)),
      stop_(std::move(stop)) {}

TpmMux::~TpmMux() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void TpmMux::Serve() {
  while (true) {
    std::vector<pollfd> watched = {Watch(stop_), Watch(server_), Watch(control_)};
    for (const Client& client : clients_) watched.push_back(Watch(client.fd));
    if (poll(watched.data(), watched.size(), /*timeout=*/-1) < 0) continue;
    if (watched[0].revents != 0) return;
    auto entry = watched.begin() + 3;
    for (auto client = clients_.begin(); client != clients_.end(); ++entry) {
      const bool keep = entry->revents == 0 || Read(*client);
      client = keep ? std::next(client) : clients_.erase(client);
    }
    if (watched[1].revents != 0) Accept(server_, /*control=*/false);
    if (watched[2].revents != 0) Accept(control_, /*control=*/true);
  }
}

void TpmMux::Accept(const Fd& listener, bool control) {
  Fd fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (fd.get() >= 0) clients_.push_back({.fd = std::move(fd), .control = control});
}

bool TpmMux::Read(Client& client) const {
  uint8_t buffer[kTpmMaxSize];
  const ssize_t size = recv(client.fd.get(), buffer, sizeof(buffer), 0);
  if (size <= 0) return false;
  client.inbox.insert(client.inbox.end(), buffer, buffer + size);
  return client.control ? AnswerControl(client) : AnswerCommands(client);
}

bool TpmMux::AnswerCommands(Client& client) const {
  while (client.inbox.size() >= kTpmHeaderSize) {
    const size_t size = TpmSize(client.inbox);
    if (size < kTpmHeaderSize || size > kTpmMaxSize) return false;
    if (client.inbox.size() < size) return true;
    const Result<Bytes> response = Forward(upstream_, ByteView(client.inbox).first(size));
    // A dead TPM looks like one: the connection ends.
    if (!response || !SendAll(client.fd.get(), *response)) return false;
    client.inbox.erase(client.inbox.begin(), client.inbox.begin() + static_cast<ptrdiff_t>(size));
  }
  return true;
}

bool TpmMux::AnswerControl(Client& client) {
  if (client.inbox.size() < sizeof(uint32_t)) return true;
  const bool known = ControlCode(client.inbox) == kSetLocality;
  if (known && client.inbox.size() < kSetLocalitySize) return true;
  client.inbox.clear();
  Writer reply;
  reply.U32Be(known ? 0 : kBadOrdinal);
  return SendAll(client.fd.get(), reply.view()).has_value();
}

}  // namespace lodekey::test
