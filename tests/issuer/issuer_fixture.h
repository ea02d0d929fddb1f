// An issuer without its network: authorities, database and audit log in a directory that goes away,
// and a clock that stands until it is set.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "issuer/attestation.h"
#include "issuer/config.h"
#include "issuer/context.h"
#include "issuer/enroller.h"
#include "issuer/inventory.h"
#include "issuer/issuance.h"
#include "tests/issuer/held_store.h"
#include "tests/issuer/host.h"
#include "tests/issuer/policy_fixture.h"
#include "tests/issuer/store_fixture.h"

namespace lodekey::test {

// The defaults of issuer.toml for trust domain example.org.
issuer::IssuerConfig DefaultIssuerConfig();
using AdjustConfig = std::function<void(issuer::IssuerConfig&)>;

// Of calls, where it does not matter.
inline const issuer::Caller kCaller = {.source = "ipv4:192.0.2.1", .address = "192.0.2.1"};

class IssuerRig {
 public:
  explicit IssuerRig(const AdjustConfig& adjust = {});
  ~IssuerRig();

  Result<node::StartEnrolmentResponse> Start(const node::StartEnrolmentRequest& request) const;
  Result<node::FinishEnrolmentResponse> Finish(const node::FinishEnrolmentRequest& request) const;
  Result<node::AttestResponse> Attest(const crypto::Certificate& peer,
                                      const node::AttestRequest& request) const;
  // Without waiting: the answer comes when the store commits.
  std::future<Result<node::FinishEnrolmentResponse>> FinishLater(
      const node::FinishEnrolmentRequest& request) const;
  std::future<Result<node::AttestResponse>> AttestLater(const crypto::Certificate& peer,
                                                        const node::AttestRequest& request) const;

  Result<node::IssueResponse> Issue(const crypto::Certificate& peer,
                                    const node::IssueRequest& request) const;
  std::future<Result<node::IssueResponse>> IssueLater(const crypto::Certificate& peer,
                                                      const node::IssueRequest& request) const;

  // The whole conversation of an agent; the host takes what it is given.
  Result<node::FinishEnrolmentResponse> Enrol(Host& host, const HostChanges& changes = {}) const;
  // Lets what the store holds go on, while every look at the clock throws; the answer to it.
  template <class T>
  Result<T> ReleaseThrowing(std::future<Result<T>> answer) {
    const auto clock =
        std::exchange(context->now, []() -> Time { throw std::runtime_error("boom"); });
    store->Release();
    Result<T> failed = answer.get();
    context->now = clock;
    return failed;
  }
  Result<node::AttestResponse> Attest(Host& host, const HostChanges& changes = {}) const;
  // Puts the host into the inventory, enrols it and fails the test when it is refused.
  void Admit(Host& host, const std::map<std::string, std::string>& labels = {}) const;

  // What an operator does who looks at the node and approves what is shown: these registers, or
  // those that the group can share.
  tpm::PcrBank Shown(const Host& host, tpm::PcrMask mask = 0) const;
  issuer::ApprovedPcrs ApprovePcrs(const Host& host, tpm::PcrMask mask = 0,
                                   bool replace = false) const;
  issuer::ChangedNode ApproveAk(const Host& host) const;

  // Stores the entry, as an operator's change would; returns it as it is then. Those that are put
  // later have later ids, though the clock stands.
  attest::Entry Put(const attest::Entry& entry) const;
  void Delete(const attest::Entry& entry) const;

  // What the policy's data.json says besides what was chosen before.
  void Choose(const std::string& key, const nlohmann::json& value);
  void Decide(const issuer::PolicyBundle& bundle) { policy->Replace(Lazily(bundle)); }

  void Pass(Duration duration) { now += duration; }
  issuer::NodeRecord Record(const Host& host) const;
  std::vector<issuer::CredentialRecord> Credentials(const Host& host) const;
  // The records of the audit log, whose chain and signatures are verified; fails the test when they
  // are not good.
  std::vector<nlohmann::json> AuditRecords() const;
  std::vector<std::string> AuditEvents() const;

  Time now = At(0);
  ScratchDirectory directory;
  issuer::IssuerConfig config;
  std::unique_ptr<issuer::Store> database;
  std::unique_ptr<issuer::Authority> authority;
  std::unique_ptr<issuer::ChallengeSealer> sealer;
  std::unique_ptr<HeldStore> store;
  std::unique_ptr<issuer::Policy> policy;
  std::unique_ptr<issuer::Context> context;
  std::unique_ptr<issuer::Inventory> inventory;
  std::unique_ptr<issuer::Attestation> attestation;
  std::unique_ptr<issuer::Issuance> issuance;

 private:
  mutable Duration entries_put_ = {};
  Choices choices_;
  std::string audit_path() const { return directory.path() + "/audit.jsonl"; }
};

// What came back, on one line: "ACCEPTED", "NODE_REFUSED pcr-not-approved,pcr-not-approved", or the
// name of an error.
std::string Answer(const Result<node::FinishEnrolmentResponse>& result);
std::string Answer(const Result<node::AttestResponse>& result);
std::string Answer(const lodekey::verdict::v1::Verdict& verdict);
std::string Answer(
    const Result<node::StartEnrolmentResponse>& result);  // "STARTED", or the name of an error

// The to-be-signed bytes of a certificate.
Bytes TbsOf(const crypto::Certificate& certificate);

}  // namespace lodekey::test
