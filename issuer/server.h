// The issuer's two fronts: agents over TLS, operators over a unix socket.
#pragma once

#include <memory>

#include "base/result.h"
#include "issuer/context.h"

namespace lodekey::issuer {

class Server {
 public:
  // Listens; serves until destroyed. kConflict ("address-in-use") when the port is taken.
  static Result<std::unique_ptr<Server>> Start(Context& context);
  virtual ~Server() = default;

  // Renews the server's certificate at half its life, and tells nodes of a bundle that changed;
  // call now and then, behind Authority::Refresh.
  virtual Result<void> Refresh(Time now) = 0;

  // The port that agents reach, also when the configuration asked for any (0).
  virtual int port() const = 0;
};

}  // namespace lodekey::issuer
