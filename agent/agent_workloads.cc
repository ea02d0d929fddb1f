// What the agent's loop and those who serve the workloads tell each other.
#include "agent/agent.h"
#include "agent/random32.h"
#include "platform/clock.h"
#include "platform/log.h"

namespace lodekey::agent {
namespace {

namespace node = lodekey::node::v1;

}  // namespace

Error Agent::Unenrolled() {
  return {.code = Code::kDenied,
          .text = "an operator asked this host to have no identity (unenroll)",
          .name = "unenrolled",
          .advice = "If it should have one again: lodekey enroll"};
}

std::unique_ptr<Workloads> Agent::MakeWorkloads() {
  return std::make_unique<Workloads>(
      *issuer_,
      Workloads::Options{.trust_domain = config_.trust_domain,
                         .retries = {.first = config_.retry_first,
                                     .max = config_.retry_max,
                                     .uptime = platform::Uptime,
                                     .random = Random32},
                         .now = [clock = clock_] { return clock->Now(); }},
      Workloads::Listener{
          .evidence_wanted =
              [this](const node::NextStep& next) {
                commands_.Post([this, next] {
                  pending_.reset();  // it goes over the nonce before this one
                  NoteNext(next);
                  AttestSoon();
                });
              },
          // Whether it is so, the attestation says; the status then shows it.
          .refused = [this](const Error&) { commands_.Post([this] { AttestSoon(); }); },
          .bundle =
              [this](const node::Bundle& bundle) {
                commands_.Post([this, bundle] { TakeBundle(bundle); });
              }});
}

WorkloadOwner Agent::Owner() const {
  return {.trust_domain = config_.trust_domain,
          .node_id = state_.boot().node_id(),
          .node_key_name = state_.boot().node_key_name()};
}

void Agent::Serve() {
  workloads_->Serve({.serial = std::string(AsText(identity_->leaf().serial())),
                     .owner = Owner(),
                     .bundle = state_.lasting().bundle()});
}

void Agent::RestoreWorkloads(const std::vector<platform::UniqueFd>& stored) {
  const auto& boot = state_.boot();
  const bool enrolled =
      boot.certificates_size() != 0 && !boot.refused() && !state_.lasting().unenrolled();
  const auto restored =
      workloads_->Restore(enrolled ? std::optional(Owner()) : std::nullopt, stored);
  if (!restored) {
    platform::LogEvent(platform::LogLevel::kWarning, restored.error().text,
                       {{"code", std::string(restored.error().Name())}});
  } else if (!stored.empty()) {
    platform::LogEvent(platform::LogLevel::kInfo, "what the workloads held is given out again",
                       {{"svids", std::to_string(*restored)}});
  }
}

void Agent::AttestSoon() {
  if (!identity_) return;
  next_attest_ = {};
  Proceed();
}

void Agent::TakeBundle(const node::Bundle& bundle) {
  if (bundle.sequence() <= state_.lasting().bundle().sequence()) return;
  NoteBundle(bundle);
  NoteSaved(state_.SaveLasting());
}

}  // namespace lodekey::agent
