// An issuer that answers the agent from a table, in memory: no network, no TPM, and nothing happens
// until the test says so.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/issuer_client.h"
#include "attest/entry.h"
#include "crypto/private_key.h"

namespace lodekey::test {

class FakeIssuer final : public agent::IssuerClient {
 public:
  // `now` dates what it issues.
  explicit FakeIssuer(std::function<Time()> now);

  // An entry for whoever has this uid.
  static attest::Entry EntryOf(const std::string& id, int uid, uint64_t revision = 1);

  // What the node is told, from now on and to begin with.
  lodekey::node::v1::EntrySet Message(const std::vector<attest::Entry>& entries,
                                      uint64_t sequence = 1) const;
  void Push(const std::vector<attest::Entry>& entries, uint64_t sequence = 1);
  void Push(const lodekey::node::v1::EntrySet& message);
  // Ends the stream that is open.
  void End(const Error& error);
  // Streams that are open, and that were opened so far.
  size_t open_streams() const;
  size_t opened_streams() const;

  // What Issue does: issues whatever it is asked for, unless one of these is set.
  std::optional<Error> unreachable = {};
  std::map<std::string, lodekey::node::v1::IssueOutcome> outcomes = {};  // by entry id
  std::function<void()> before_answer = [] {};
  Duration x509_life = std::chrono::hours(1);
  Duration jwt_life = std::chrono::minutes(5);
  std::vector<lodekey::node::v1::IssueRequest> requests = {};  // so far
  // What it signs with: itself.
  const crypto::Certificate& root() const { return *root_; }

  Result<lodekey::node::v1::StartEnrolmentResponse> StartEnrolment(
      const lodekey::node::v1::StartEnrolmentRequest&) override;
  Result<lodekey::node::v1::FinishEnrolmentResponse> FinishEnrolment(
      const lodekey::node::v1::FinishEnrolmentRequest&) override;
  void UseIdentity(const std::string&, const std::string&, const crypto::Certificate&) override {}
  void DropIdentity() override {}
  Result<lodekey::node::v1::AttestResponse> Attest(
      const lodekey::node::v1::AttestRequest&) override;
  Result<lodekey::node::v1::IssueResponse> Issue(
      const lodekey::node::v1::IssueRequest& request) override;
  Result<std::unique_ptr<EntryStream>> WatchEntries(EntryListener listener) override;
  std::shared_ptr<const crypto::Certificate> authority() const override { return root_; }

 private:
  class Stream;
  // Streams may end after the issuer.
  struct Streams {
    std::mutex mutex;
    std::map<size_t, EntryListener> open;
    size_t opened = 0;
  };
  lodekey::node::v1::IssueOutcome Answer(const lodekey::node::v1::IssueItem& item);
  std::string SpiffeIdOf(const std::string& entry_id) const {
    return "spiffe://example.org/" + entry_id;
  }

  const std::function<Time()> now_;
  const crypto::PrivateKey key_;
  std::shared_ptr<const crypto::Certificate> root_;
  std::shared_ptr<Streams> streams_ = std::make_shared<Streams>();
  size_t tokens_ = 0;
};

// An answer that refuses one item, or asks for evidence first.
lodekey::node::v1::IssueOutcome Refused(const std::string& code);
lodekey::node::v1::IssueOutcome NeedsEvidence();

// What a process of this user shows.
std::vector<attest::GradedSelector> HeldBy(int uid);

}  // namespace lodekey::test
