#include "issuer/server_credentials.h"

#include <map>
#include <mutex>

#include <grpc/grpc_security.h>
#include <grpcpp/grpcpp.h>

namespace lodekey::issuer {
namespace {

constexpr Duration kLife = std::chrono::hours(7 * 24);

// What handshakes show. Thread-safe.
class Shown {
 public:
  Shown(ServerIdentity identity, std::string roots)
      : identity_(std::move(identity)), roots_(std::move(roots)) {}

  void Replace(ServerIdentity identity) {
    const std::scoped_lock lock(mutex_);
    identity_ = std::move(identity);
    fetched_ = false;
  }
  Time not_after() const {
    const std::scoped_lock lock(mutex_);
    return identity_.not_after;
  }

  grpc_ssl_certificate_config_reload_status Fetch(grpc_ssl_server_certificate_config** config) {
    const std::scoped_lock lock(mutex_);
    if (fetched_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const grpc_ssl_pem_key_cert_pair pair = {identity_.key_pem.c_str(),
                                             identity_.chain_pem.c_str()};
    *config = grpc_ssl_server_certificate_config_create(roots_.c_str(), &pair, 1);
    fetched_ = true;
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

 private:
  mutable std::mutex mutex_;
  ServerIdentity identity_;
  // gRPC wants roots; they only become the list of names that clients may choose their certificate
  // by.
  std::string roots_;
  bool fetched_ = false;
};

// gRPC's core keeps its own count of who uses the credentials: a handshake that began before the
// server was shut down may ask after they are gone, and nothing says when it no longer will. So it
// gets a number, under which it finds what is shown, or nothing any more.
class Registry {
 public:
  // Never destroyed: gRPC's threads may outlive what is.
  static Registry& Get() {
    static Registry& registry = *new Registry;
    return registry;
  }

  uintptr_t Add(const std::shared_ptr<Shown>& shown) {
    const std::scoped_lock lock(mutex_);
    shown_[++last_] = shown;
    return last_;
  }
  void Remove(uintptr_t number) {
    const std::scoped_lock lock(mutex_);
    shown_.erase(number);
  }
  std::shared_ptr<Shown> Find(uintptr_t number) {
    const std::scoped_lock lock(mutex_);
    const auto found = shown_.find(number);
    return found == shown_.end() ? nullptr : found->second;
  }

 private:
  std::mutex mutex_;
  uintptr_t last_ = 0;
  std::map<uintptr_t, std::shared_ptr<Shown>> shown_;
};

grpc_ssl_certificate_config_reload_status Fetch(void* number,
                                                grpc_ssl_server_certificate_config** config) {
  const auto shown = Registry::Get().Find(reinterpret_cast<uintptr_t>(number));
  return shown ? shown->Fetch(config) : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
}

// gRPC asks at every handshake whether there is something newer. The C++ library offers this only
// to its C core, so the credentials are made there.
class Credentials final : public RotatingCredentials {
 public:
  Credentials(const Authority& authority, ServerIdentity first)
      : authority_(authority),
        shown_(std::make_shared<Shown>(std::move(first), authority.root().ToPem())),
        number_(Registry::Get().Add(shown_)) {
    auto* options = grpc_ssl_server_credentials_create_options_using_config_fetcher(
        GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY, &Fetch,
        reinterpret_cast<void*>(number_));
    credentials_ = grpc_ssl_server_credentials_create_with_options(options);
  }
  ~Credentials() override {
    grpc_server_credentials_release(credentials_);
    Registry::Get().Remove(number_);
  }
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  Result<void> Refresh(Time now) override {
    if (now < shown_->not_after() - kLife / 2) return {};
    ASSIGN_OR_RETURN(ServerIdentity renewed, authority_.MakeServerIdentity(now, kLife),
                     "renew the server certificate");
    shown_->Replace(std::move(renewed));
    return {};
  }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  const Authority& authority_;
  std::shared_ptr<Shown> shown_;
  uintptr_t number_;
  grpc_server_credentials* credentials_;
};

}  // namespace

Result<std::shared_ptr<RotatingCredentials>> RotatingCredentials::Create(const Authority& authority,
                                                                         Time now) {
  ASSIGN_OR_RETURN(ServerIdentity identity, authority.MakeServerIdentity(now, kLife),
                   "server identity");
  return std::shared_ptr<RotatingCredentials>(
      std::make_shared<Credentials>(authority, std::move(identity)));
}

}  // namespace lodekey::issuer
