#include "issuer/server_credentials.h"

#include <grpc/grpc_security.h>
#include <grpcpp/grpcpp.h>

#include "platform/log.h"

namespace lodekey::issuer {
namespace {

constexpr Duration kLife = std::chrono::hours(7 * 24);

// gRPC asks at every handshake whether there is something newer. The C++ library offers this only
// to its C core, so the credentials are made there.
class RotatingCredentials final : public grpc::ServerCredentials {
 public:
  RotatingCredentials(const Authority& authority, std::function<Time()> now, ServerIdentity first)
      : authority_(authority), now_(std::move(now)), identity_(std::move(first)) {
    auto* options = grpc_ssl_server_credentials_create_options_using_config_fetcher(
        GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY, &RotatingCredentials::Fetch, this);
    credentials_ = grpc_ssl_server_credentials_create_with_options(options);
  }
  ~RotatingCredentials() override { grpc_server_credentials_release(credentials_); }
  RotatingCredentials(const RotatingCredentials&) = delete;
  RotatingCredentials& operator=(const RotatingCredentials&) = delete;

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<RotatingCredentials*>(self)->Offer(config);
  }

  grpc_ssl_certificate_config_reload_status Offer(grpc_ssl_server_certificate_config** config) {
    const std::scoped_lock lock(mutex_);
    if (offered_ && now_() < identity_.not_after - kLife / 2)
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    if (offered_) {
      auto renewed = authority_.MakeServerIdentity(now_(), kLife);
      if (!renewed) {
        platform::LogEvent(platform::LogLevel::kError,
                           "the server certificate could not be renewed",
                           {{"reason", renewed.error().text}});
        return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
      }
      identity_ = *std::move(renewed);
    }
    const grpc_ssl_pem_key_cert_pair pair = {identity_.key_pem.c_str(),
                                             identity_.chain_pem.c_str()};
    // gRPC wants roots; they only become the list of names that clients may choose their
    // certificate by.
    const std::string roots = authority_.root().ToPem();
    *config = grpc_ssl_server_certificate_config_create(roots.c_str(), &pair, 1);
    offered_ = true;
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const Authority& authority_;
  std::function<Time()> now_;
  std::mutex mutex_;
  ServerIdentity identity_;
  bool offered_ = false;
  grpc_server_credentials* credentials_;
};

}  // namespace

Result<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const Authority& authority,
                                                                       std::function<Time()> now) {
  ASSIGN_OR_RETURN(ServerIdentity identity, authority.MakeServerIdentity(now(), kLife),
                   "server identity");
  return std::shared_ptr<grpc::ServerCredentials>(
      std::make_shared<RotatingCredentials>(authority, std::move(now), std::move(identity)));
}

}  // namespace lodekey::issuer
