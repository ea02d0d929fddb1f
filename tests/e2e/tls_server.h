// A TLS server under any certificate, which counts what clients send it.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include <openssl/ssl.h>

#include "tests/e2e/loopback.h"

namespace lodekey::test {

class TlsServer {
 public:
  // `chain_pem` has the leaf first; `key_pem` is the leaf's. Speaks "h2" on a port of its own.
  TlsServer(const std::string& chain_pem, const std::string& key_pem);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  int port() const { return listener_.port; }
  // Handshakes that were begun, and bytes of application data that came after one.
  size_t handshakes() const { return handshakes_; }
  size_t application_bytes() const { return application_bytes_; }

 private:
  void Serve();

  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  Listener listener_;
  std::atomic<size_t> handshakes_ = 0;
  std::atomic<size_t> application_bytes_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace lodekey::test
