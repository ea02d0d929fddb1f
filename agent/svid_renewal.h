// Asks the issuer for the SVIDs that workloads want, before those they have end: whatever is wanted
// at one moment goes in one call.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <variant>
#include <vector>

#include "agent/issuer_client.h"
#include "agent/issuer_refusals.h"
#include "agent/jwt_svids.h"
#include "agent/schedule.h"
#include "agent/svid_book.h"
#include "base/time.h"
#include "crypto/private_key.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::agent {

// Thread-safe, but for Proceed, which one thread calls: it waits for the issuer.
class SvidRenewal {
 public:
  // Called by Proceed; they must not block.
  struct Listener {
    std::function<void()> wake;  // Proceed is due
    // The issuer wants fresh evidence first: nothing is asked until Resume, or for ten seconds.
    std::function<void(const lodekey::node::v1::NextStep&)> evidence_wanted;
    // The issuer refuses the node (RefusesNode).
    std::function<void(const Error&)> refused;
  };
  SvidRenewal(SvidBook& book, JwtSvids& tokens, IssuerClient& issuer, Retries retries,
              Listener listener);

  // The issuer answers: what waits for its next try does so no longer.
  void Hasten();
  // There is an identity to ask with.
  void Resume();
  // There is no identity to ask with until Resume; `why` is told to whoever asks for a token.
  void Pause(const Error& why);

  // Asks once for what is wanted, if anything is; returns how long nothing needs to be done.
  Duration Proceed();

  const IssuerRefusals& refusals() const { return refusals_; }

 private:
  struct X509Item {
    SvidBook::Wanted wanted;
    crypto::PrivateKey key;
  };
  using Item = std::variant<X509Item, JwtSvids::Wanted>;
  // One call.
  struct Batch {
    std::vector<Item> items;  // as in the request
    lodekey::node::v1::IssueRequest request;
    // For how many more items there is room when there may be `limit`, however large they are.
    size_t Room(size_t limit) const;
  };
  using Outcome = lodekey::node::v1::IssueOutcome;

  // How long it must not ask; whoever waits for a token is not kept longer than need be.
  Duration Wait();
  Batch Take();
  void TakeX509(Batch& batch, size_t limit);
  void TakeTokens(Batch& batch, size_t limit);
  // The call as a whole failed.
  void Fail(const Batch& batch, const Error& error);
  void Settle(const Batch& batch, const lodekey::node::v1::IssueResponse& response);
  void NoteOutcome(const Item& item, const Outcome& outcome, Time at);
  // Returns after which time that is asked for again which needs evidence.
  Duration NoteAnswer(bool wants_evidence);
  void SettleItem(const JwtSvids::Wanted& wanted, const Outcome& outcome, Duration again);
  void SettleItem(const X509Item& item, const Outcome& outcome, Duration again);
  void FailItem(const JwtSvids::Wanted& wanted, const Error& error, Duration again);
  void FailItem(const X509Item& item, const Error& error, Duration again);

  SvidBook& book_;
  JwtSvids& tokens_;
  IssuerClient& issuer_;
  const Retries retries_;
  const Listener listener_;
  IssuerRefusals refusals_;

  std::mutex mutex_;
  Backoff backoff_;
  std::optional<Error> paused_;
  Duration ask_at_ = {};          // uptime
  Duration ask_tokens_at_ = {};   // the same, for when somebody waits for a token
  bool evidence_wanted_ = false;  // by the last answer
};

}  // namespace lodekey::agent
