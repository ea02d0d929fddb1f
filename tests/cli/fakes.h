// An agent and an issuer that answer what a test puts into them, and a command line over them.
#pragma once

#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/command_line.h"

namespace lodekey::cli {

inline std::unexpected<Error> NotAsked() {
  return Fail(Code::kInternal, "the test does not expect this call");
}

// Each answer is given as often as it is asked for.
struct FakeAgent {
  Result<agent::v1::Status> status = NotAsked();
  Result<agent::v1::EnrollResponse> enroll = NotAsked();
  Result<agent::v1::EnrollResponse> unenroll = NotAsked();
  Result<agent::v1::AttestNowResponse> attest = NotAsked();
  Result<agent::v1::ShowBundleResponse> bundle = NotAsked();
  Result<agent::v1::Workload> workload = NotAsked();
  // Runs before each answer of status, with the number of those before it.
  std::function<void(int)> before_status = [](int) {};

  std::string socket = {};
  Duration enroll_limit = {};
  int inspected = 0;  // the process
  int status_calls = 0;
};

class FakeAgentClient final : public AgentClient {
 public:
  explicit FakeAgentClient(FakeAgent& fake) : fake_(fake) {}
  Result<agent::v1::Status> ShowStatus() override {
    fake_.before_status(fake_.status_calls++);
    return fake_.status;
  }
  Result<agent::v1::EnrollResponse> Enroll(Duration limit) override {
    fake_.enroll_limit = limit;
    return fake_.enroll;
  }
  Result<agent::v1::EnrollResponse> Unenroll() override { return fake_.unenroll; }
  Result<agent::v1::AttestNowResponse> Attest() override { return fake_.attest; }
  Result<agent::v1::ShowBundleResponse> ShowBundle() override { return fake_.bundle; }
  Result<agent::v1::Workload> InspectWorkload(int pid) override {
    fake_.inspected = pid;
    return fake_.workload;
  }

 private:
  FakeAgent& fake_;
};

struct FakeWorkloadApi {
  std::vector<X509SVIDResponse> updates = {};
  // After the last update.
  Error end = {.code = Code::kDenied, .text = "no identity", .name = "no-identity"};
  Result<JWTSVIDResponse> jwt = NotAsked();

  std::string socket = {};
  attest::TokenPurpose purpose = {};
  std::string spiffe_id = {};
};

class FakeWorkloadClient final : public WorkloadClient {
 public:
  explicit FakeWorkloadClient(FakeWorkloadApi& fake) : fake_(fake) {}
  Result<X509SVIDResponse> FetchX509Svid(Duration) override {
    if (fake_.updates.empty()) return std::unexpected(fake_.end);
    return fake_.updates.front();
  }
  Result<void> WatchX509Svid(std::function<bool(const X509SVIDResponse&)> each) override {
    for (const X509SVIDResponse& update : fake_.updates) {
      if (!each(update)) return {};
    }
    return std::unexpected(fake_.end);
  }
  Result<JWTSVIDResponse> FetchJwtSvid(const attest::TokenPurpose& purpose,
                                       const std::string& spiffe_id, Duration) override {
    fake_.purpose = purpose;
    fake_.spiffe_id = spiffe_id;
    return fake_.jwt;
  }

 private:
  FakeWorkloadApi& fake_;
};

struct FakeIssuer {
  std::vector<admin::v1::ListNodesResponse> pages = {};
  Result<admin::v1::Node> node = NotAsked();
  Result<admin::v1::ChangeResponse> change = NotAsked();
  std::vector<admin::v1::ListEntriesResponse> entry_pages = {};
  Result<entry::v1::Entry> entry = NotAsked();
  Result<admin::v1::ApplyEntriesResponse> applied = NotAsked();
  Result<admin::v1::ImportNodesResponse> imported = NotAsked();
  Result<admin::v1::AdmitNodesResponse> admitted = NotAsked();
  Result<admin::v1::ShowDecisionResponse> decision = NotAsked();
  Result<admin::v1::CheckPolicyResponse> checked = NotAsked();
  Result<admin::v1::ShowPolicyResponse> policy = NotAsked();
  Result<admin::v1::EvaluatePolicyResponse> evaluated = NotAsked();
  Result<admin::v1::PlanPolicyResponse> plan = NotAsked();
  Result<admin::v1::ApplyPolicyResponse> applied_policy = NotAsked();
  Result<admin::v1::ListPoliciesResponse> policies = NotAsked();
  Result<admin::v1::ShowBundleResponse> bundle = NotAsked();
  Result<admin::v1::ShowIssuerResponse> issuer = NotAsked();

  std::string socket = {};
  std::string asked = {};        // the node of the last call that named one
  std::string asked_entry = {};  // the same of entries
  std::vector<admin::v1::ListEntriesRequest> entry_lists = {};
  std::vector<admin::v1::ApplyEntriesRequest> applies = {};
  std::vector<admin::v1::ListNodesRequest> lists = {};
  admin::v1::AllowNodeRequest allowed = {};
  std::vector<admin::v1::ImportNodesRequest> imports = {};
  std::vector<admin::v1::AdmitNodesRequest> admissions = {};
  std::vector<std::string> asked_digests = {};
  admin::v1::ApprovePcrsRequest approved = {};
  admin::v1::ApproveAkRequest approved_ak = {};
  admin::v1::CheckPolicyRequest asked_check = {};
  admin::v1::ShowPolicyRequest asked_policy = {};
  admin::v1::EvaluatePolicyRequest asked_evaluation = {};
  admin::v1::PlanPolicyRequest asked_plan = {};
  std::vector<admin::v1::ApplyPolicyRequest> policy_applies = {};
};

class FakeAdminClient final : public AdminClient {
 public:
  explicit FakeAdminClient(FakeIssuer& fake) : fake_(fake) {}
  Result<admin::v1::ListNodesResponse> ListNodes(
      const admin::v1::ListNodesRequest& request) override {
    fake_.lists.push_back(request);
    if (fake_.lists.size() > fake_.pages.size()) return NotAsked();
    return fake_.pages[fake_.lists.size() - 1];
  }
  Result<admin::v1::Node> ShowNode(const std::string& node) override {
    fake_.asked = node;
    return fake_.node;
  }
  Result<admin::v1::ChangeResponse> AllowNode(const admin::v1::AllowNodeRequest& request) override {
    fake_.allowed = request;
    return fake_.change;
  }
  Result<admin::v1::ChangeResponse> RemoveNode(const std::string& node) override {
    fake_.asked = node;
    return fake_.change;
  }
  Result<admin::v1::ChangeResponse> ApprovePcrs(
      const admin::v1::ApprovePcrsRequest& request) override {
    fake_.approved = request;
    return fake_.change;
  }
  Result<admin::v1::ChangeResponse> ApproveAk(const admin::v1::ApproveAkRequest& request) override {
    fake_.approved_ak = request;
    return fake_.change;
  }
  Result<admin::v1::ImportNodesResponse> ImportNodes(
      const admin::v1::ImportNodesRequest& request) override {
    fake_.imports.push_back(request);
    return fake_.imported;
  }
  Result<admin::v1::AdmitNodesResponse> AdmitNodes(
      const admin::v1::AdmitNodesRequest& request) override {
    fake_.admissions.push_back(request);
    return fake_.admitted;
  }
  Result<admin::v1::ShowDecisionResponse> ShowDecision(const std::string& digest) override {
    fake_.asked_digests.push_back(digest);
    return fake_.decision;
  }
  Result<admin::v1::ListEntriesResponse> ListEntries(
      const admin::v1::ListEntriesRequest& request) override {
    fake_.entry_lists.push_back(request);
    if (fake_.entry_lists.size() > fake_.entry_pages.size()) return NotAsked();
    return fake_.entry_pages[fake_.entry_lists.size() - 1];
  }
  Result<entry::v1::Entry> ShowEntry(const std::string& entry) override {
    fake_.asked_entry = entry;
    return fake_.entry;
  }
  Result<admin::v1::ApplyEntriesResponse> ApplyEntries(
      const admin::v1::ApplyEntriesRequest& request) override {
    fake_.applies.push_back(request);
    return fake_.applied;
  }
  Result<admin::v1::CheckPolicyResponse> CheckPolicy(
      const admin::v1::CheckPolicyRequest& request) override {
    fake_.asked_check = request;
    return fake_.checked;
  }
  Result<admin::v1::ShowPolicyResponse> ShowPolicy(
      const admin::v1::ShowPolicyRequest& request) override {
    fake_.asked_policy = request;
    return fake_.policy;
  }
  Result<admin::v1::EvaluatePolicyResponse> EvaluatePolicy(
      const admin::v1::EvaluatePolicyRequest& request) override {
    fake_.asked_evaluation = request;
    return fake_.evaluated;
  }
  Result<admin::v1::PlanPolicyResponse> PlanPolicy(
      const admin::v1::PlanPolicyRequest& request) override {
    fake_.asked_plan = request;
    return fake_.plan;
  }
  Result<admin::v1::ApplyPolicyResponse> ApplyPolicy(
      const admin::v1::ApplyPolicyRequest& request) override {
    fake_.policy_applies.push_back(request);
    return fake_.applied_policy;
  }
  Result<admin::v1::ListPoliciesResponse> ListPolicies() override { return fake_.policies; }
  Result<admin::v1::ShowBundleResponse> ShowBundle() override { return fake_.bundle; }
  Result<admin::v1::ShowIssuerResponse> ShowIssuer() override { return fake_.issuer; }

 private:
  FakeIssuer& fake_;
};

// 2026-06-01T00:00:00.000Z.
inline constexpr int64_t kNowMs = 1780272000000;

// The command over the two; its clock moves when it pauses, and only then.
class CommandRig {
 public:
  FakeAgent agent;
  FakeIssuer issuer;
  FakeWorkloadApi workload_api;
  Time now = Time(Duration(kNowMs));
  std::function<void()> before_pause = [] {};

  int Run(std::vector<std::string> arguments) {
    out_.str("");
    err_.str("");
    Surroundings surroundings{.out = out_,
                              .err = err_,
                              .connect_agent =
                                  [this](const std::string& socket) {
                                    agent.socket = socket;
                                    return std::make_unique<FakeAgentClient>(agent);
                                  },
                              .connect_admin =
                                  [this](const std::string& socket) {
                                    issuer.socket = socket;
                                    return std::make_unique<FakeAdminClient>(issuer);
                                  },
                              .connect_workload_api =
                                  [this](const std::string& socket) {
                                    workload_api.socket = socket;
                                    return std::make_unique<FakeWorkloadClient>(workload_api);
                                  },
                              .now = [this] { return now; },
                              .pause =
                                  [this](Duration duration) {
                                    before_pause();
                                    now += duration;
                                  }};
    return RunCommandLine(std::move(arguments), surroundings);
  }

  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }
  // What was printed, read back.
  nlohmann::json Json() const { return nlohmann::json::parse(out()); }
  nlohmann::json ErrorJson() const { return nlohmann::json::parse(err()); }

 private:
  std::ostringstream out_;
  std::ostringstream err_;
};

// An agent that serves an identity for another hour.
inline agent::v1::Status EnrolledStatus() {
  agent::v1::Status status;
  status.set_version("0.1.0");
  status.set_phase("enrolled");
  status.set_health("green");
  status.set_trust_domain("fleet.example");
  status.set_issuer("issuer.example:7443");
  status.set_spiffe_id("spiffe://fleet.example/node/" + std::string(64, 'a'));
  status.set_serial("\x01\x02");
  status.set_not_after_unix_ms(kNowMs + 3600 * 1000);
  status.set_last_attested_unix_ms(kNowMs - 60 * 1000);
  status.set_next_attest_unix_ms(kNowMs + 540 * 1000);
  status.set_ek_hash(std::string(64, 'a'));
  status.mutable_last_verdict()->set_outcome(verdict::v1::Verdict::ACCEPTED);
  status.mutable_last_verdict()->set_judged_unix_ms(kNowMs - 60 * 1000);
  status.set_audit_seq(7);
  status.set_audit_hash(std::string(32, '\x11'));
  status.set_bundle_sequence(2);
  return status;
}

// One whose host was refused because of PCR 8.
inline agent::v1::Status RefusedStatus() {
  agent::v1::Status status = EnrolledStatus();
  status.set_phase("refused");
  status.set_health("red");
  status.clear_spiffe_id();
  status.clear_serial();
  status.clear_not_after_unix_ms();
  auto& verdict = *status.mutable_last_verdict();
  verdict.set_outcome(verdict::v1::Verdict::NODE_REFUSED);
  auto& rule = *verdict.add_failed();
  rule.set_code("pcr-changed-in-boot");
  rule.set_subject("PCR 8 (sha256)");
  rule.set_expected("3f2a" + std::string(60, '0'));
  rule.set_seen("9c01" + std::string(60, '0'));
  rule.set_accept("Reboot the host.");
  status.mutable_problem()->set_code("pcr-changed-in-boot");
  status.mutable_problem()->set_text("the issuer refused this host's evidence");
  status.mutable_problem()->set_advice("Reboot the host.");
  return status;
}

}  // namespace lodekey::cli
