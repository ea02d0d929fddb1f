#include "agent/agent.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/enrol.h"
#include "agent/random32.h"
#include "attest/binding.h"
#include "attest/codec.h"
#include "attest/policy_failure.h"
#include "platform/clock.h"
#include "platform/log.h"
#include "platform/process.h"

namespace lodekey::agent {
namespace {

namespace node = lodekey::node::v1;
using lodekey::verdict::v1::Verdict;
using platform::LogLevel;

constexpr Duration kAgain = Duration(0);

Error ErrorOf(const Verdict& verdict, Code code) {
  Error error{
      .code = code, .text = "the issuer refused this host's evidence", .name = "evidence-refused"};
  if (verdict.failed().empty()) return error;
  const auto& rule = verdict.failed(0);
  error.name = rule.code();
  error.text = fmt::format("the issuer refused this host's evidence: {} is {}, expected {}",
                           rule.subject(), rule.seen(), rule.expected());
  error.advice = rule.accept();
  return error;
}

// The issuer tells a host that it refuses no more than a name.
std::string AdviceFor(std::string_view name, const std::string& ek_hash) {
  if (name == "node-removed")
    return "On the issuer, if it is to come back: lodekey node allow " + ek_hash;
  if (name == "node-barred")
    return "On the issuer, if it may come in after all: lodekey node allow " + ek_hash;
  if (name == "node-quarantined") return "On the issuer: lodekey explain --node " + ek_hash;
  return {};
}

std::shared_ptr<TrustedClock> MakeClock(State& state) {
  const auto& boot = state.boot();
  std::optional<TrustedClock::Stated> stated;
  if (boot.issuer_unix_ms() != 0)
    stated = {.time = Time(Duration(boot.issuer_unix_ms())),
              .uptime = Duration(boot.issuer_uptime_ms())};
  const Time floor(Duration(state.lasting().time_floor_unix_ms()));
  return std::make_shared<TrustedClock>(floor, stated);
}

}  // namespace

Agent::Agent(const platform::AgentConfig& config, State state, DeviceOpener open_device,
             const IssuerConnector& connect)
    : config_(config),
      state_(std::move(state)),
      clock_(MakeClock(state_)),
      open_device_(std::move(open_device)),
      backoff_(config.retry_first, config.retry_max) {
  issuer_ = connect(platform::FormatHostPort(config.issuer),
                    {.trust_domain = config.trust_domain,
                     .pins = config.issuer_pins,
                     .now = [clock = clock_] { return clock->ServerTime(); }});
  workloads_ = MakeWorkloads();
  Publish();
}

void Agent::Run() {
  while (!commands_.stopped()) {
    if (platform::Uptime() >= due_) Proceed();
    const Duration left = due_ - platform::Uptime();
    if (const auto command = commands_.Next(std::max(left, kAgain))) {
      (*command)();
      Publish();
    }
  }
}

void Agent::Proceed() {
  due_ = platform::Uptime() + Step();
  Publish();
}

void Agent::Stop() { commands_.Stop(); }

Duration Agent::Step() {
  if (state_.lasting().unenrolled()) {
    phase_ = "unenrolled";
    problem_.reset();
    workloads_->Withdraw(Unenrolled());
    return std::chrono::hours(24);
  }
  if (identity_ && Now() < next_attest_) return next_attest_ - Now();
  if (const auto ready = EnsureTpm(); !ready) return Failed(ready.error());
  if (identity_ && Now() >= identity_->leaf().not_after()) DropEnrolment();
  const auto done = identity_ ? AttestOnce() : EnrolOnce();
  return done ? Succeeded() : Failed(done.error());
}

Result<void> Agent::EnsureTpm() {
  if (tpm_) return {};
  ASSIGN_OR_RETURN(auto device, open_device_(), "open the TPM");
  ASSIGN_OR_RETURN(boot_log_, attest::ReadHostBootLog(config_.boot_log), "boot log");
  ASSIGN_OR_RETURN(tpm_, NodeTpm::Open(std::move(device), config_, state_),
                   "bring up the node's keys");
  if (state_.boot().certificates_size() == 0) return {};
  const auto resumed = ResumeIdentity();
  if (resumed) return {};
  platform::LogEvent(LogLevel::kWarning, "the identity of this boot is given up",
                     {{"reason", resumed.error().text}});
  // With the enrolment goes what the chip was opened for: a key that was lost is made anew.
  DropEnrolment();
  tpm_.reset();
  return EnsureTpm();
}

Result<void> Agent::ResumeIdentity() {
  const auto& boot = state_.boot();
  ASSIGN_OR_RETURN(NodeIdentity identity, ReadIdentity(boot.certificates(), tpm_->node_key().key()),
                   "stored identity");
  if (Now() >= identity.leaf().not_after()) return Fail(Code::kUntrusted, "it has expired");
  if (boot.ak_name() != AsText(tpm_->ak().name()))
    return Fail(Code::kConflict, "the attestation key that enrolled is lost");
  identity_ = std::move(identity);
  phase_ = boot.refused() ? "refused" : "enrolled";
  // Without the authority there is no channel: enrol and learn it again.
  RETURN_IF_ERROR(UseIdentity(), "channel");
  if (boot.refused())
    workloads_->Withdraw(ErrorOf(boot.last_verdict(), Code::kDenied));
  else
    Serve();
  platform::LogEvent(LogLevel::kInfo, "the identity of this boot is taken up again",
                     {{"spiffe_id", identity_->spiffe_id()},
                      {"not_after", FormatTime(identity_->leaf().not_after())}});
  return {};
}

Result<void> Agent::UseIdentity() {
  ASSIGN_OR_RETURN(const auto authority,
                   crypto::Certificate::FromDer(AsBytes(state_.lasting().authority())),
                   "issuer authority");
  const auto names = [&](const Bytes& pin) { return Equal(pin, authority.key().spki_sha256()); };
  if (std::ranges::none_of(config_.issuer_pins, names))
    return Fail(Code::kUntrusted, "issuer_pins no longer name the issuer's authority");
  issuer_->UseIdentity(identity_->ChainPem(), tpm_->tls_key_reference(), authority);
  return {};
}

Result<void> Agent::EnrolOnce() {
  // Who was refused stays so until the issuer says otherwise.
  if (phase_ != "refused") phase_ = "enrolling";
  Publish();
  auto enrolled = Enrol(config_, state_, *tpm_, *issuer_, boot_log_);
  if (!enrolled) return std::unexpected(std::move(enrolled.error()));
  const EnrolmentReply& reply = *enrolled;
  const auto authority = issuer_->authority();
  if (!authority) return Fail(Code::kInternal, "the handshake left no authority");
  state_.lasting().set_authority(attest::ToField(authority->der()));
  const Verdict& verdict = reply.response.verdict();
  NoteReply(reply.response.bundle(), reply.response.audit_head(),
            Time(Duration(reply.response.time_unix_ms())));
  auto& boot = state_.boot();
  *boot.mutable_last_verdict() = verdict;
  if (verdict.outcome() != Verdict::ACCEPTED) {
    Error error = ErrorOf(verdict, Code::kDenied);
    // A policy that gave no answer says nothing against the host: it comes again.
    if (attest::IsPolicyFailure(error.name))
      error.code = Code::kUnavailable;
    else
      phase_ = "refused";
    RETURN_IF_ERROR(state_.SaveBoot(), "state");
    return std::unexpected(std::move(error));
  }
  boot.set_node_id(reply.node_id);
  boot.set_ak_name(attest::ToField(tpm_->ak().name()));
  boot.set_refused(false);
  *boot.mutable_pcrs() = attest::EncodeBank(reply.pcrs);
  boot.set_ledger_sent(true);
  boot.set_last_attested_unix_ms(verdict.judged_unix_ms());
  NoteNext(reply.response.next());
  RETURN_IF_ERROR(AcceptIdentity(reply.response.identity()), "identity");
  phase_ = "enrolled";
  platform::LogEvent(LogLevel::kInfo, "enrolled",
                     {{"spiffe_id", identity_->spiffe_id()},
                      {"not_after", FormatTime(identity_->leaf().not_after())}});
  platform::NotifyReady("enrolled as " + identity_->spiffe_id());
  return {};
}

Result<void> Agent::AcceptIdentity(const node::NodeIdentity& message) {
  ASSIGN_OR_RETURN(NodeIdentity identity,
                   ReadIdentity(message.certificates(), tpm_->node_key().key()), "node identity");
  auto& certificates = *state_.boot().mutable_certificates();
  auto earlier = std::exchange(certificates, message.certificates());
  if (auto saved = state_.SaveBoot(); !saved) {
    certificates = std::move(earlier);
    return std::unexpected(std::move(saved.error()).Wrapped("store the identity"));
  }
  identity_ = std::move(identity);
  return UseIdentity();
}

Result<void> Agent::AskNonce() {
  ASSIGN_OR_RETURN(const node::AttestResponse response, issuer_->Attest({}), "ask for a nonce");
  NoteNext(response.next());
  return {};
}

Result<node::AttestRequest> Agent::MakeRequest() {
  const auto& boot = state_.boot();
  ASSIGN_OR_RETURN(const tpm::BankSelection selection, attest::DecodeSelection(boot.selection()),
                   "what to quote");
  attest::Wanted wanted{.selection = selection,
                        .ima_offset = boot.ima_offset(),
                        .boot_log = want_boot_log_,
                        .ledger = !boot.ledger_sent()};
  if (!send_pcrs_ && boot.has_pcrs()) {
    ASSIGN_OR_RETURN(wanted.known_pcrs, attest::DecodeBank(boot.pcrs()), "PCR values");
  }
  const auto qualifying =
      attest::Bind(attest::Purpose::kAttestQuote, {.trust_domain = config_.trust_domain,
                                                   .node_id = boot.node_id(),
                                                   .nonce = nonce_,
                                                   .ak_name = tpm_->ak().name(),
                                                   .key_name = tpm_->node_key().name(),
                                                   .boot_log_digest = boot_log_.digest});
  ASSIGN_OR_RETURN(attest::Collected collected,
                   tpm_->WithAk([&](tpm::Device& device, const tpm::LoadedKey& ak) {
                     return attest::Collect(device, ak, CollectContextOf(config_, state_),
                                            boot_log_, wanted, qualifying);
                   }),
                   "collect evidence");
  node::AttestRequest request;
  request.set_nonce(attest::ToField(nonce_));
  *request.mutable_evidence() = attest::EncodeEvidence(collected.evidence);
  sent_pcrs_ = std::move(collected.pcrs);
  return request;
}

Result<void> Agent::AttestOnce() {
  if (platform::Uptime() >= nonce_expires_) {
    pending_.reset();
    RETURN_IF_ERROR(AskNonce(), "attest");
  }
  if (!pending_) {
    ASSIGN_OR_RETURN(pending_, MakeRequest(), "attest");
  }
  // A request whose reply is lost is sent again byte for byte: the issuer then repeats the reply.
  // Other bytes over the same nonce would look like a clone.
  ASSIGN_OR_RETURN(const node::AttestResponse response, issuer_->Attest(*pending_), "attest");
  pending_.reset();
  nonce_expires_ = {};
  return Settle(response);
}

Result<void> Agent::Settle(const node::AttestResponse& response) {
  const Verdict& verdict = response.verdict();
  NoteReply(response.bundle(), response.audit_head(), Time(Duration(response.time_unix_ms())));
  NoteNext(response.next());
  auto& boot = state_.boot();
  *boot.mutable_last_verdict() = verdict;
  switch (verdict.outcome()) {
    case Verdict::ACCEPTED: {
      boot.set_last_attested_unix_ms(verdict.judged_unix_ms());
      boot.set_ledger_sent(true);
      if (boot.refused())
        platform::LogEvent(LogLevel::kInfo, "the issuer accepts this host again",
                           {{"spiffe_id", identity_->spiffe_id()}});
      boot.set_refused(false);
      *boot.mutable_pcrs() = attest::EncodeBank(*sent_pcrs_);
      send_pcrs_ = false;
      phase_ = "enrolled";
      if (response.has_identity()) return AcceptIdentity(response.identity());
      return state_.SaveBoot();
    }
    case Verdict::ENROL_AGAIN:
      // Its keys and its claim belong to the boot that is over.
      DropEnrolment();
      tpm_.reset();
      return std::unexpected(ErrorOf(verdict, Code::kConflict));
    case Verdict::NODE_REFUSED:
    case Verdict::NODE_QUARANTINED:
      boot.set_refused(true);
      phase_ = "refused";
      RETURN_IF_ERROR(state_.SaveBoot(), "store the refusal");
      return std::unexpected(ErrorOf(verdict, Code::kDenied));
    default:
      // The issuer has other values than we thought: send all of them with the next evidence.
      send_pcrs_ = true;
      boot.set_ledger_sent(false);
      return std::unexpected(ErrorOf(verdict, Code::kConflict));
  }
}

void Agent::NoteReply(const node::Bundle& bundle, const node::AuditHead& head, Time issuer_time) {
  NoteBundle(bundle);
  auto& lasting = state_.lasting();
  const auto& known = lasting.audit_head();
  // The audit log does not go back either.
  const bool rewritten = head.seq() == known.seq() && head.hash() != known.hash();
  if (head.seq() >= known.seq() && !rewritten) {
    *lasting.mutable_audit_head() = head;
  } else if (head.seq() != 0) {
    platform::LogEvent(
        LogLevel::kError,
        "the issuer's audit log is not the one it showed before: it may have been changed",
        {{"seen_before", std::to_string(lasting.audit_head().seq())},
         {"now", std::to_string(head.seq())}});
  }
  clock_->Note(issuer_time);
  const auto stated = clock_->stated();
  state_.boot().set_issuer_unix_ms(stated->time.time_since_epoch().count());
  state_.boot().set_issuer_uptime_ms(stated->uptime.count());
  lasting.set_time_floor_unix_ms(clock_->floor().time_since_epoch().count());
  NoteSaved(state_.SaveLasting());
}

void Agent::NoteBundle(const node::Bundle& bundle) {
  auto& lasting = state_.lasting();
  // The roots do not go back, whoever answers.
  if (bundle.sequence() >= lasting.bundle().sequence() && bundle.roots_size() != 0)
    *lasting.mutable_bundle() = bundle;
}

void Agent::NoteNext(const node::NextStep& next) {
  if (next.nonce().empty()) return;
  nonce_ = attest::FromField(next.nonce());
  nonce_expires_ = platform::Uptime() + Duration(next.nonce_life_ms());
  want_boot_log_ = next.want_boot_log();
  auto& boot = state_.boot();
  *boot.mutable_selection() = next.selection();
  boot.set_ima_offset(next.ima_offset());
  boot.set_attest_in_ms(next.attest_in_ms());
}

void Agent::NoteSaved(const Result<void>& saved) {
  if (saved) return;
  platform::LogEvent(LogLevel::kError, "the agent's state could not be stored",
                     {{"reason", saved.error().text}});
}

void Agent::DropEnrolment() {
  identity_.reset();
  pending_.reset();
  nonce_expires_ = {};
  issuer_->DropIdentity();
  auto& boot = state_.boot();
  boot.clear_certificates();
  boot.clear_pcrs();
  boot.set_refused(false);
  NoteSaved(state_.SaveBoot());
}

Duration Agent::Succeeded() {
  problem_.reset();
  backoff_.Reset();
  next_attest_ = Now() + Jittered(Duration(state_.boot().attest_in_ms()), Random32());
  Serve();
  platform::NotifyStatus("enrolled, attested");
  // Until the next attestation, minutes from now, little is needed of what keys, logs and TLS took.
  platform::ReleaseFreeMemory();
  return kAgain;
}

Duration Agent::Failed(Error error) {
  if (error.advice.empty() && tpm_) error.advice = AdviceFor(error.Name(), tpm_->ek_hash());
  problem_ = error;
  platform::LogEvent(LogLevel::kWarning, error.text,
                     {{"code", std::string(error.Name())}, {"advice", error.advice}});
  platform::NotifyStatus(error.text);
  const std::string_view name = error.Name();
  // The chip is gone or was reset: begin with it anew.
  if (name.starts_with("tpm-") || (tpm_ && !tpm_->healthy())) tpm_.reset();
  // Not yet is not no: an operator approves it, or not.
  const bool waits = name == "approval-pending";
  if (!identity_ && error.code == Code::kDenied) phase_ = waits ? "pending" : "refused";
  const bool over =
      name == "node-not-enrolled" || name == "peer-expired" || name == "peer-certificate";
  if (identity_ && over) DropEnrolment();
  if (name == "node-removed" || name == "node-quarantined" || name == "node-barred") {
    DropEnrolment();
    phase_ = "refused";
  }
  if (phase_ == "refused")
    workloads_->Withdraw(error);
  else if (!identity_)
    workloads_->Pause(error);
  const Duration wait = phase_ == "refused" && identity_
                            ? Jittered(Duration(state_.boot().attest_in_ms()), Random32())
                            : backoff_.Next(Random32());
  next_attest_ = Now() + wait;
  return wait;
}

}  // namespace lodekey::agent
