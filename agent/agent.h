// The agent's loop: enrol, show again and again what this host is, withdraw the identity when that
// is refused.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/command_queue.h"
#include "agent/identity.h"
#include "agent/issuer_client.h"
#include "agent/node_tpm.h"
#include "agent/schedule.h"
#include "agent/state.h"
#include "agent/trusted_clock.h"
#include "agent/workloads.h"
#include "attest/collect.h"
#include "base/result.h"
#include "lodekey/agent/v1/agent_service.pb.h"
#include "platform/agent_config.h"

namespace lodekey::agent {

// Opens a TPM by its configuration; a benchmark or test opens one with a probe in between.
using DeviceOpener = std::function<Result<std::unique_ptr<tpm::Device>>()>;

// Makes the client with which the agent reaches its issuer.
using IssuerConnector =
    std::function<std::unique_ptr<IssuerClient>(std::string address, IssuerTrust trust)>;

class Agent {
 public:
  Agent(const platform::AgentConfig& config, State state, DeviceOpener open_device,
        const IssuerConnector& connect);

  // Before Run, and before anybody can ask: what the workloads held when an earlier run of the
  // agent in this boot ended (FdStore).
  void RestoreWorkloads(const std::vector<platform::UniqueFd>& stored);

  // Runs until Stop. Never returns because of a failure: it says what is wrong and tries again.
  void Run();
  void Stop();

  // For the local API; thread-safe, and none of them blocks. The first three wait for the TPM and
  // the issuer: the loop does and answers them between two of its steps (CommandQueue).
  void Enroll(Caller<lodekey::agent::v1::EnrollResponse> caller);
  void Unenroll(Caller<lodekey::agent::v1::EnrollResponse> caller);
  void AttestNow(Caller<lodekey::agent::v1::AttestNowResponse> caller);
  lodekey::agent::v1::Status ShowStatus() const;
  lodekey::agent::v1::ShowBundleResponse ShowBundle() const;
  // The time by which certificates are judged; thread-safe.
  Time Now() const { return clock_->Now(); }

  // What the Workload API serves from.
  Workloads& workloads() { return *workloads_; }

 private:
  // One step of the loop and how long to wait after it.
  Duration Step();
  // The step, now, and when the next one is due.
  void Proceed();
  Result<void> EnsureTpm();
  // What was stored of this boot's enrolment, as far as it still holds.
  Result<void> ResumeIdentity();
  Result<void> EnrolOnce();
  Result<void> AttestOnce();
  Result<void> AcceptIdentity(const lodekey::node::v1::NodeIdentity& message);
  Result<void> AskNonce();
  Result<lodekey::node::v1::AttestRequest> MakeRequest();
  Result<void> Settle(const lodekey::node::v1::AttestResponse& response);
  void NoteReply(const lodekey::node::v1::Bundle& bundle, const lodekey::node::v1::AuditHead& head,
                 Time issuer_time);
  void NoteBundle(const lodekey::node::v1::Bundle& bundle);
  void NoteNext(const lodekey::node::v1::NextStep& next);
  void DropEnrolment();
  Duration Failed(Error error);
  Duration Succeeded();
  std::unique_ptr<Workloads> MakeWorkloads();
  WorkloadOwner Owner() const;
  void Serve();
  void AttestSoon();
  void TakeBundle(const lodekey::node::v1::Bundle& bundle);
  static Error Unenrolled();
  static void NoteSaved(const Result<void>& saved);
  Result<void> UseIdentity();
  void Publish();
  Result<lodekey::agent::v1::EnrollResponse> EnrollNow();
  Result<lodekey::agent::v1::EnrollResponse> UnenrollNow();
  Result<lodekey::agent::v1::Status> AttestAtOnce();

  const platform::AgentConfig& config_;
  State state_;
  std::shared_ptr<TrustedClock> clock_;  // shared with TLS, whose verifier may outlive the agent
  DeviceOpener open_device_;
  std::unique_ptr<NodeTpm> tpm_;
  std::unique_ptr<IssuerClient> issuer_;
  attest::BootLog boot_log_;
  std::optional<NodeIdentity> identity_;
  std::optional<tpm::PcrBank> sent_pcrs_;  // of the request that waits for its reply
  std::optional<lodekey::node::v1::AttestRequest>
      pending_;  // sent again as it is while its nonce lives
  Bytes nonce_;
  Duration nonce_expires_ = {};  // uptime
  bool want_boot_log_ = false;
  bool send_pcrs_ = false;
  Backoff backoff_;
  std::string phase_ = "starting";
  std::optional<Error> problem_;
  Time next_attest_ = {};
  Duration due_ = {};  // uptime of the next step

  CommandQueue commands_;
  std::unique_ptr<Workloads> workloads_;

  mutable std::mutex mutex_;  // what the loop shows
  lodekey::agent::v1::Status status_;
  Duration published_ = {};     // uptime at which the status was true
  Duration served_until_ = {};  // uptime at which the status stops being true by itself
  lodekey::agent::v1::ShowBundleResponse bundle_;
};

}  // namespace lodekey::agent
