// What the local API asks of the loop, and what it shows of it.
#include <fmt/format.h>

#include "agent/agent.h"
#include "platform/clock.h"
#include "platform/log.h"

namespace lodekey::agent {
namespace {

namespace api = lodekey::agent::v1;

// Green: served and current. Amber: served, but something fails. Red: no identity.
std::string HealthOf(bool served, bool problem) {
  if (!served) return "red";
  return problem ? "amber" : "green";
}

}  // namespace

void Agent::Enroll(Caller<api::EnrollResponse> caller) {
  commands_.Push<api::EnrollResponse>(std::move(caller), [this] { return EnrollNow(); });
}

void Agent::Unenroll(Caller<api::EnrollResponse> caller) {
  commands_.Push<api::EnrollResponse>(std::move(caller), [this] { return UnenrollNow(); });
}

void Agent::AttestNow(Caller<api::AttestNowResponse> caller) {
  commands_.Push<api::AttestNowResponse>(std::move(caller),
                                         [this]() -> Result<api::AttestNowResponse> {
                                           auto status = AttestAtOnce();
                                           if (!status)
                                             return std::unexpected(std::move(status.error()));
                                           api::AttestNowResponse response;
                                           *response.mutable_status() = *std::move(status);
                                           return response;
                                         });
}

Result<api::EnrollResponse> Agent::EnrollNow() {
  api::EnrollResponse response;
  if (state_.lasting().unenrolled()) {
    state_.lasting().set_unenrolled(false);
    RETURN_IF_ERROR(state_.SaveLasting(), "enroll");
  }
  if (!identity_ || state_.boot().refused()) {
    next_attest_ = {};
    Proceed();
    if (!identity_ || state_.boot().refused()) {
      return std::unexpected(
          problem_.value_or(Error{.code = Code::kInternal, .text = "enrolment did not finish"}));
    }
    response.set_changed(true);
  }
  Publish();
  *response.mutable_status() = ShowStatus();
  return response;
}

Result<api::EnrollResponse> Agent::UnenrollNow() {
  api::EnrollResponse response;
  response.set_changed(!state_.lasting().unenrolled());
  state_.lasting().set_unenrolled(true);
  RETURN_IF_ERROR(state_.SaveLasting(), "unenroll");
  // AK, ledger and node key stay until the next boot, so that enrolling again in this one works.
  DropEnrolment();
  Proceed();
  if (response.changed())
    platform::LogEvent(platform::LogLevel::kInfo, "an operator asked for no identity (unenroll)",
                       {{"until", "lodekey enroll"}});
  *response.mutable_status() = ShowStatus();
  return response;
}

Result<api::Status> Agent::AttestAtOnce() {
  if (!identity_) {
    return Fail(
        Code::kNotFound, "this host is not enrolled",
        {.name = "not-enrolled",
         .advice = "Run: lodekey enroll (or see 'lodekey status' for what keeps it from it)"});
  }
  next_attest_ = {};
  Proceed();
  if (problem_) return std::unexpected(*problem_);
  return ShowStatus();
}

api::Status Agent::ShowStatus() const {
  const std::scoped_lock lock(mutex_);
  const Duration uptime = platform::Uptime();
  api::Status status = status_;
  status.set_now_unix_ms(status_.now_unix_ms() + (uptime - published_).count());
  if (status.spiffe_id().empty() || uptime < served_until_) return status;
  // The certificate ended while the loop waited for its next step.
  status.clear_spiffe_id();
  status.clear_serial();
  status.set_health(HealthOf(/*served=*/false, /*problem=*/true));
  return status;
}

api::ShowBundleResponse Agent::ShowBundle() const {
  const std::scoped_lock lock(mutex_);
  return bundle_;
}

void Agent::Publish() {
  const auto& boot = state_.boot();
  const auto& lasting = state_.lasting();
  const Time now = Now();
  const bool served = identity_ && !boot.refused() && now < identity_->leaf().not_after();
  api::Status status;
  status.set_now_unix_ms(now.time_since_epoch().count());
  status.set_version(LODEKEY_VERSION);
  status.set_phase(phase_);
  status.set_health(HealthOf(served, problem_.has_value()));
  status.set_trust_domain(config_.trust_domain);
  status.set_issuer(platform::FormatHostPort(config_.issuer));
  if (served) {
    status.set_spiffe_id(identity_->spiffe_id());
    status.set_serial(std::string(AsText(identity_->leaf().serial())));
    status.set_not_after_unix_ms(identity_->leaf().not_after().time_since_epoch().count());
  }
  status.set_last_attested_unix_ms(boot.last_attested_unix_ms());
  if (identity_) status.set_next_attest_unix_ms(next_attest_.time_since_epoch().count());
  status.set_ek_hash(tpm_ ? tpm_->ek_hash() : boot.node_id());
  if (tpm_) status.set_ak_name(std::string(AsText(tpm_->ak().name())));
  if (problem_) {
    status.mutable_problem()->set_code(std::string(problem_->Name()));
    status.mutable_problem()->set_text(problem_->text);
    status.mutable_problem()->set_advice(problem_->advice);
  }
  if (boot.has_last_verdict()) *status.mutable_last_verdict() = boot.last_verdict();
  status.set_audit_seq(lasting.audit_head().seq());
  status.set_audit_hash(lasting.audit_head().hash());
  status.set_bundle_sequence(lasting.bundle().sequence());
  api::ShowBundleResponse bundle;
  bundle.set_trust_domain(config_.trust_domain);
  bundle.set_sequence(lasting.bundle().sequence());
  *bundle.mutable_roots() = lasting.bundle().roots();
  *bundle.mutable_jwt_keys() = lasting.bundle().jwt_keys();
  const Duration left = served ? identity_->leaf().not_after() - now : Duration(0);
  const std::scoped_lock lock(mutex_);
  published_ = platform::Uptime();
  served_until_ = published_ + left;
  status_ = std::move(status);
  bundle_ = std::move(bundle);
}

}  // namespace lodekey::agent
