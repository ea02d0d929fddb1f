// The agent's side of the issuer's port. Nothing but a TLS handshake leaves the host before the
// server has proved to be the issuer that the configuration pins.
#pragma once

#include <memory>
#include <string>

#include "agent/issuer_trust.h"
#include "base/result.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::agent {

// Not thread-safe; the agent's loop owns it. Calls block, at most for their deadline (15 s to
// connect and 30 s in all). Error::name: "issuer-unreachable" (no answer), "issuer-untrusted"
// (another answered), or the name the issuer gave.
class IssuerClient {
 public:
  static std::unique_ptr<IssuerClient> Create(std::string address, IssuerTrust trust);
  virtual ~IssuerClient() = default;

  // Server-authenticated TLS.
  virtual Result<lodekey::node::v1::StartEnrolmentResponse> StartEnrolment(
      const lodekey::node::v1::StartEnrolmentRequest& request) = 0;
  virtual Result<lodekey::node::v1::FinishEnrolmentResponse> FinishEnrolment(
      const lodekey::node::v1::FinishEnrolmentRequest& request) = 0;

  // Mutual TLS with the node's identity, which UseIdentity sets: certificates as PEM, leaf first,
  // and the private key's name for the TLS library. The connection is kept while neither changes.
  virtual void UseIdentity(const std::string& chain_pem, const std::string& key_reference,
                           const crypto::Certificate& authority) = 0;
  virtual void DropIdentity() = 0;
  virtual Result<lodekey::node::v1::AttestResponse> Attest(
      const lodekey::node::v1::AttestRequest& request) = 0;

  // The authority that the last server proved to stand under; null before the first handshake.
  virtual std::shared_ptr<const crypto::Certificate> authority() const = 0;
};

}  // namespace lodekey::agent
