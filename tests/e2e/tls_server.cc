#include "tests/e2e/tls_server.h"

#include <array>
#include <csignal>
#include <stdexcept>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>

#include <openssl/pem.h>
namespace lodekey::test {
namespace {

using namespace std::string_view_literals;

int SelectHttp2(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
                unsigned int offered_size, void*) {
  constexpr std::string_view kHttp2 = "\x02h2"sv;
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, size, reinterpret_cast<const unsigned char*>(kHttp2.data()),
                            kHttp2.size(), offered, offered_size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

template <class T, T* Read(BIO*, T**, pem_password_cb*, void*)>
T* FromPem(BIO* bio) {
  return Read(bio, nullptr, nullptr, nullptr);
}

bool Use(SSL_CTX* context, const std::string& chain_pem, const std::string& key_pem) {
  const std::unique_ptr<BIO, int (*)(BIO*)> chain(
      BIO_new_mem_buf(chain_pem.data(), static_cast<int>(chain_pem.size())), BIO_free);
  const std::unique_ptr<BIO, int (*)(BIO*)> key_text(
      BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())), BIO_free);
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(
      FromPem<EVP_PKEY, PEM_read_bio_PrivateKey>(key_text.get()), EVP_PKEY_free);
  const std::unique_ptr<X509, void (*)(X509*)> leaf(FromPem<X509, PEM_read_bio_X509>(chain.get()),
                                                    X509_free);
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return false;
  }
  while (X509* next = FromPem<X509, PEM_read_bio_X509>(chain.get())) {
    if (SSL_CTX_add_extra_chain_cert(context, next) != 1) return false;
  }
  return true;
}

}  // namespace

TlsServer::TlsServer(const std::string& chain_pem, const std::string& key_pem)
    : context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free), listener_(ListenOnLoopback()) {
  if (!Use(context_.get(), chain_pem, key_pem)) throw std::runtime_error("no such TLS server");
  SSL_CTX_set_alpn_select_cb(context_.get(), SelectHttp2, nullptr);
  thread_ = std::thread([this] { Serve(); });
}

TlsServer::~TlsServer() {
  stopping_ = true;
  shutdown(listener_.fd.get(), SHUT_RDWR);  // accept returns
  thread_.join();
}

void TlsServer::Serve() {
  // OpenSSL writes to clients that have hung up.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  while (!stopping_) {
    const Fd client(accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client.get() < 0) continue;
    // A client that stays is hung up on, so that the next one is served.
    const timeval patience{.tv_sec = 1, .tv_usec = 0};
    setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    const std::unique_ptr<SSL, void (*)(SSL*)> tls(SSL_new(context_.get()), SSL_free);
    SSL_set_fd(tls.get(), client.get());
    const bool shaken = SSL_accept(tls.get()) == 1;
    std::array<char, 4096> buffer;
    for (int size = 1; shaken && size > 0;) {
      size = SSL_read(tls.get(), buffer.data(), buffer.size());
      if (size > 0) application_bytes_ += static_cast<size_t>(size);
    }
    ++handshakes_;
  }
}

}  // namespace lodekey::test
