#include "issuer/policy_book.h"

#include <algorithm>

#include <fmt/format.h>

#include "issuer/audit_record.h"
#include "issuer/policy_bundle.h"
#include "issuer/policy_trust.h"
#include "platform/log.h"

namespace lodekey::issuer {
namespace {

constexpr size_t kMaxListed = 1000;

// Without the tests that are shipped: they say what the shipped rules give with the shipped data,
// and an operator's may well give less.
PolicyBundle WithOwnTests(PolicyBundle bundle) {
  for (const auto& [name, text] : ShippedPolicy().files) {
    const auto found = bundle.files.find(name);
    if (name.ends_with(kPolicyTestSuffix) && found != bundle.files.end() && found->second == text)
      bundle.files.erase(found);
  }
  return bundle;
}

Result<void> CheckTests(const PolicyBundle& bundle, const PolicyEngineOptions& options) {
  const PolicyBundle own = WithOwnTests(bundle);
  const bool any = std::ranges::any_of(
      own.files, [](const auto& file) { return file.first.ends_with(kPolicyTestSuffix); });
  if (!any) return {};
  ASSIGN_OR_RETURN(const auto engine, PolicyEngine::Load(own, options), "tests of the policy");
  ASSIGN_OR_RETURN(const auto results, engine->Test(), "tests of the policy");
  const auto failed = std::ranges::find_if_not(results, &PolicyTestResult::passed);
  if (failed == results.end()) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("the policy fails its own test {}{}{}", failed->name,
                          failed->message.empty() ? "" : ": ", failed->message),
              {.name = "policy-tests", .advice = "See all of them: lodekey policy test DIR"});
}

// A lower number than before would bring an old policy back under its old signature; the same
// number may say the same again, and nothing else.
Result<void> CheckSignedVersion(const std::vector<PolicyRecord>& earlier,
                                const PolicyRecord& record) {
  if (record.signed_version == 0) return {};
  uint64_t highest = 0;
  for (const PolicyRecord& before : earlier) highest = std::max(highest, before.signed_version);
  if (record.signed_version > highest) return {};
  return Fail(Code::kDenied,
              fmt::format("the policy is signed as version {}, and this issuer has taken {} before",
                          record.signed_version, highest),
              {.name = "policy-signature-old",
               .advice = "Sign it under a higher version: lodekey policy sign --version"});
}

std::string Short(ByteView digest) {
  return ToHex(digest.first(std::min<size_t>(4, digest.size())));
}

}  // namespace

PolicyRecord ShippedRecord() {
  return {.version = 0,
          .digest = ToBytes(attest::BundleDigest(ShippedPolicy())),
          .content = EncodeBundle(ShippedPolicy()),
          .applied = Time(),
          .applied_by = "",
          .note = "as shipped"};
}

Result<std::shared_ptr<const LoadedPolicy>> PolicyBook::Load(
    const std::optional<attest::PolicyBundle>& bundle) const {
  const auto present = context_.policy.Current();
  if (!bundle) return present;
  RETURN_IF_ERROR(CheckBundle(*bundle), "policy");
  return LoadPolicy(present->version, *bundle, context_.policy_engine);
}

Result<CheckedPolicy> PolicyBook::Check(const std::optional<attest::PolicyBundle>& bundle,
                                        bool run_tests) const {
  ASSIGN_OR_RETURN(const auto policy, Load(bundle), "check");
  CheckedPolicy checked{.digest = attest::BundleDigest(policy->bundle),
                        .allows_all = policy->allows_all};
  if (run_tests) {
    ASSIGN_OR_RETURN(checked.tests, policy->engine->Test(), "test");
  }
  return checked;
}

Result<PolicyRecord> PolicyBook::Find(std::optional<uint64_t> version) const {
  const uint64_t wanted = version.value_or(context_.policy.Current()->version);
  if (wanted == 0) return ShippedRecord();
  std::optional<PolicyRecord> found;
  RETURN_IF_ERROR(context_.store.Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(found, view.FindPolicy(wanted), "find the policy");
    return {};
  }),
                  "policies");
  if (found) return *std::move(found);
  return Fail(Code::kNotFound, fmt::format("there is no version {} of the policy", wanted),
              {.name = "policy-not-found", .advice = "See what there is: lodekey policy history"});
}

Result<std::vector<PolicyRecord>> PolicyBook::List() const {
  std::vector<PolicyRecord> records;
  RETURN_IF_ERROR(context_.store.Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(records, view.ListPolicies(kMaxListed), "list the policies");
    return {};
  }),
                  "policies");
  records.push_back(ShippedRecord());
  return records;
}

Result<Ruling> PolicyBook::Evaluate(const std::optional<attest::PolicyBundle>& bundle,
                                    PolicyPoint point, const std::string& input) const {
  ASSIGN_OR_RETURN(const auto policy, Load(bundle), "evaluate");
  return Policy::Rehearse(*policy, point, {input}, context_.now()).front();
}

Result<PlannedPolicy> PolicyBook::Plan(const std::optional<attest::PolicyBundle>& bundle,
                                       Time since) const {
  ASSIGN_OR_RETURN(const auto policy, Load(bundle), "plan");
  return plan_.Make(*policy, since);
}

Result<PolicyRecord> PolicyBook::RecordOf(const PolicyApplication& application,
                                          const attest::PolicyBundle& bundle) const {
  PolicyRecord record{.version = context_.policy.Current()->version + 1,
                      .digest = ToBytes(attest::BundleDigest(bundle)),
                      .content = EncodeBundle(bundle),
                      .applied = context_.now(),
                      .applied_by = {},
                      .note = application.note};
  if (const auto* back = std::get_if<uint64_t>(&application.content)) record.rolled_back_to = *back;
  if (!application.signature) return record;
  record.signed_version = application.signature->version;
  record.signer = ToBytes(application.signature->key);
  record.signature = ToBytes(application.signature->signature);
  return record;
}

Result<void> PolicyBook::CheckFit(const LoadedPolicy& policy,
                                  const PolicyApplication& application) const {
  RETURN_IF_ERROR(CheckTests(policy.bundle, context_.policy_engine), "policy");
  if (application.lock_out) return {};
  PlannedPolicy planned;
  RETURN_IF_ERROR(plan_.CountCutOff(policy, planned), "policy");
  if (!planned.LocksOut()) return {};
  return Fail(
      Code::kConflict,
      fmt::format("the policy would refuse all {} active nodes whose last evidence is on "
                  "record: each loses its identity as it attests next",
                  planned.nodes_judged),
      {.name = "policy-lock-out",
       .advice = "See why: lodekey policy plan DIR. If that is what you want, apply it with "
                 "--yes-lock-out."});
}

Result<void> PolicyBook::Commit(const PolicyRecord& record, const std::string& actor) const {
  RETURN_IF_ERROR(context_.store.CommitAndWait([&](Transaction& transaction) -> Result<void> {
    RETURN_IF_ERROR(transaction.PutPolicy(record), "store the policy");
    transaction.Audit(PolicyAuditRecord(record, actor));
    return {};
  }),
                  "record the policy");
  return {};
}

Result<AppliedPolicy> PolicyBook::Apply(const PolicyApplication& application,
                                        const std::string& actor) {
  const std::scoped_lock lock(applying_);
  const auto present = context_.policy.Current();
  if (application.base_version != present->version) {
    return Fail(
        Code::kConflict,
        fmt::format("version {} of the policy decides by now, not {}: somebody else applied "
                    "one",
                    present->version, application.base_version),
        {.name = "policy-changed",
         .advice = "Look at it (lodekey policy show, lodekey policy history), then apply "
                   "yours to it."});
  }
  attest::PolicyBundle bundle;
  if (const auto* version = std::get_if<uint64_t>(&application.content)) {
    ASSIGN_OR_RETURN(const PolicyRecord earlier, Find(*version), "roll back");
    ASSIGN_OR_RETURN(bundle, DecodeBundle(earlier.content), "roll back");
  } else {
    bundle = std::get<attest::PolicyBundle>(application.content);
  }
  RETURN_IF_ERROR(CheckBundle(bundle), "apply");
  RETURN_IF_ERROR(
      CheckPolicySignature(bundle, application.signature, context_.config.policy_signers), "apply");
  if (bundle == present->bundle) {
    ASSIGN_OR_RETURN(PolicyRecord record, Find(present->version), "apply");
    return AppliedPolicy{.changed = false, .record = std::move(record)};
  }
  ASSIGN_OR_RETURN(PolicyRecord record, RecordOf(application, bundle), "apply");
  record.applied_by = actor;
  ASSIGN_OR_RETURN(const auto earlier, List(), "apply");
  RETURN_IF_ERROR(CheckSignedVersion(earlier, record), "apply");
  ASSIGN_OR_RETURN(const auto policy, LoadPolicy(record.version, bundle, context_.policy_engine),
                   "apply");
  RETURN_IF_ERROR(CheckFit(*policy, application), "apply");
  record.allows_all = policy->allows_all;
  RETURN_IF_ERROR(Commit(record, actor), "apply");
  context_.policy.Replace(policy);
  platform::LogEvent(policy->allows_all ? platform::LogLevel::kWarning : platform::LogLevel::kInfo,
                     policy->allows_all ? "a policy that allows everything decides now"
                                        : "another policy decides now",
                     {{"version", std::to_string(record.version)},
                      {"digest", Short(record.digest)},
                      {"actor", actor},
                      {"note", record.note}});
  return AppliedPolicy{.changed = true, .record = std::move(record)};
}

}  // namespace lodekey::issuer
