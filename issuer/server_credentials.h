// TLS for the issuer's port: its own identity, renewed in process, and client certificates asked
// for but judged by the services, which can then say what is wrong with one.
#pragma once

#include <memory>

#include <grpcpp/security/server_credentials.h>

#include "base/result.h"
#include "issuer/authority.h"

namespace lodekey::issuer {

// Each handshake uses the newest identity; a new one is made when the old one has lived half its
// life. `authority` and `now` outlive the credentials.
Result<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const Authority& authority,
                                                                       std::function<Time()> now);

}  // namespace lodekey::issuer
