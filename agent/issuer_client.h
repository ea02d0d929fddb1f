// The agent's side of the issuer's port. Nothing but a TLS handshake leaves the host before the
// server has proved to be the issuer that the configuration pins.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/issuer_trust.h"
#include "base/result.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::agent {

// Thread-safe. Calls block, at most for their deadline (30 s, Issue 10 s). Error::name:
// "issuer-unreachable" (no answer), "issuer-untrusted" (another answered), "not-enrolled" (there is
// no identity to call with), or the name the issuer gave.
class IssuerClient {
 public:
  // A stream of the node's entries. Ends on destruction: when that returns, neither function of the
  // listener is called any more. Not to be destroyed from within them.
  class EntryStream {
   public:
    EntryStream() = default;
    EntryStream(const EntryStream&) = delete;
    EntryStream& operator=(const EntryStream&) = delete;
    virtual ~EntryStream() = default;
  };
  // Called on one thread at a time, which must not be kept long.
  struct EntryListener {
    std::function<void(const lodekey::node::v1::EntrySet&)> entries;
    std::function<void(const Error&)> ended;  // the last call; why
  };

  static std::unique_ptr<IssuerClient> Create(std::string address, IssuerTrust trust);
  virtual ~IssuerClient() = default;

  // Server-authenticated TLS.
  virtual Result<lodekey::node::v1::StartEnrolmentResponse> StartEnrolment(
      const lodekey::node::v1::StartEnrolmentRequest& request) = 0;
  virtual Result<lodekey::node::v1::FinishEnrolmentResponse> FinishEnrolment(
      const lodekey::node::v1::FinishEnrolmentRequest& request) = 0;

  // Mutual TLS with the node's identity, which UseIdentity sets: certificates as PEM, leaf first,
  // and the private key's name for the TLS library. All calls share one connection, which is kept
  // until the next UseIdentity; a stream that is open then goes on over the one it began with.
  virtual void UseIdentity(const std::string& chain_pem, const std::string& key_reference,
                           const crypto::Certificate& authority) = 0;
  virtual void DropIdentity() = 0;
  virtual Result<lodekey::node::v1::AttestResponse> Attest(
      const lodekey::node::v1::AttestRequest& request) = 0;
  virtual Result<lodekey::node::v1::IssueResponse> Issue(
      const lodekey::node::v1::IssueRequest& request) = 0;
  // Returns at once; an issuer that cannot be reached ends the stream.
  virtual Result<std::unique_ptr<EntryStream>> WatchEntries(EntryListener listener) = 0;

  // The authority that the last server proved to stand under; null before the first handshake.
  virtual std::shared_ptr<const crypto::Certificate> authority() const = 0;
};

}  // namespace lodekey::agent
