#include "agent/issuer_refusals.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <utility>

#include "attest/policy_failure.h"

namespace lodekey::agent {
namespace {

namespace node = lodekey::node::v1;

// The issuer knows the entry otherwise than this host: news of it are on their way, and what is
// held stays until they are here.
bool IsOutdated(const node::Refusal& refusal) {
  return refusal.code() == "entry-changed" || refusal.code() == "entry-unknown";
}

// The issuer could not do it, which says nothing against the workload.
bool IsFailure(const node::Refusal& refusal) {
  static constexpr std::array kFailures{Code::kConflict, Code::kUnavailable, Code::kTimeout,
                                        Code::kHardware, Code::kInternal};
  const auto is = [&](Code code) { return CodeName(code) == refusal.code(); };
  return refusal.code() == "authority-expired" || std::ranges::any_of(kFailures, is) ||
         attest::IsPolicyFailure(refusal.code());
}

Code CodeOf(const node::Refusal& refusal) {
  if (IsOutdated(refusal)) return Code::kConflict;
  return IsFailure(refusal) ? Code::kUnavailable : Code::kDenied;
}

}  // namespace

Error ErrorOf(const node::Refusal& refusal) {
  Error error{.code = CodeOf(refusal),
              .text = refusal.text(),
              .name = refusal.code(),
              .advice = refusal.advice()};
  if (refusal.decision().reasons().empty()) return error;
  const auto& reason = refusal.decision().reasons(0);
  if (!reason.text().empty()) error.text = reason.text();
  if (!reason.accept().empty()) error.advice = reason.accept();
  return error;
}

void IssuerRefusals::Note(IssuerRefusal refusal) {
  Forget(refusal.entry_id, refusal.purpose);
  const std::scoped_lock lock(mutex_);
  kept_.push_front(std::move(refusal));
  if (kept_.size() > kMaxKept) kept_.pop_back();
}

void IssuerRefusals::Forget(const std::string& entry_id,
                            const std::optional<attest::TokenPurpose>& purpose) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(kept_, [&](const IssuerRefusal& kept) {
    return kept.entry_id == entry_id && kept.purpose == purpose;
  });
}

std::vector<IssuerRefusal> IssuerRefusals::Of(const std::string& entry_id) const {
  const std::scoped_lock lock(mutex_);
  std::vector<IssuerRefusal> refusals;
  std::ranges::copy_if(kept_, std::back_inserter(refusals),
                       [&](const IssuerRefusal& kept) { return kept.entry_id == entry_id; });
  return refusals;
}

}  // namespace lodekey::agent
