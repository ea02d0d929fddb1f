// TLS for the issuer's port: its own identity, renewed in process, and client certificates asked
// for but judged by the services, which can then say what is wrong with one.
#pragma once

#include <memory>

#include <grpcpp/security/server_credentials.h>

#include "base/result.h"
#include "issuer/authority.h"

namespace lodekey::issuer {

class RotatingCredentials : public grpc::ServerCredentials {
 public:
  // Each handshake uses the newest identity. `authority` outlives the credentials.
  static Result<std::shared_ptr<RotatingCredentials>> Create(const Authority& authority, Time now);

  // Makes a new identity when the old one has lived half its life; call now and then. Not within a
  // handshake: it waits for the store.
  virtual Result<void> Refresh(Time now) = 0;
};

}  // namespace lodekey::issuer
