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

// A number that was there before would bring an old policy back under its old signature, or another
// one in its place.
Result<void> CheckSignedVersion(const std::vector<PolicyRecord>& earlier, uint64_t highest,
                                const PolicyRecord& record) {
  if (record.signed_version == 0) return {};
  for (const PolicyRecord& before : earlier) highest = std::max(highest, before.signed_version);
  if (record.signed_version > highest) return {};
  return Fail(Code::kDenied,
              fmt::format("the policy is signed as version {}, and this issuer has taken {} before",
                          record.signed_version, highest),
              {.name = "policy-signature-old",
               .advice = "Sign it under a higher version: lodekey policy sign --version"});
}

std::string LockOutText(const PlannedPolicy& planned) {
  if (planned.nodes_judged == 0) {
    return fmt::format(
        "whom the policy would refuse is not known: of none of the {} active nodes the last "
        "evidence is on record",
        planned.nodes_active);
  }
  return fmt::format(
      "of {} active nodes the policy would refuse each whose last evidence is on record ({}): it "
      "loses its identity as it attests next",
      planned.nodes_active, planned.nodes_judged);
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
  if (const auto* back = std::get_if<uint64_t>(&application.content)) {
    record.rolled_back_to = *back;
    // In its row 0 is no version at all.
    if (*back == 0 && record.note.empty()) record.note = ShippedRecord().note;
  }
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
  return Fail(Code::kConflict, LockOutText(planned),
              {.name = "policy-lock-out",
               .advice = "See why: lodekey policy plan DIR. If that is what you want, apply it "
                         "with --yes-lock-out."});
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

Result<void> PolicyBook::CheckVersion(const std::vector<PolicyRecord>& earlier,
                                      const PolicyRecord& record) const {
  PolicyMark::Taken taken;
  if (!context_.config.policy_signers.empty()) {
    ASSIGN_OR_RETURN(taken, mark_.Read(), "version");
  }
  return CheckSignedVersion(earlier, taken.version, record);
}

// Whether it decides from the next start on.
bool PolicyBook::IsStored(const PolicyRecord& record) const {
  std::optional<PolicyRecord> stored;
  const auto read = context_.store.Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(stored, view.CurrentPolicy(), "find the policy");
    return {};
  });
  return read && stored && stored->version == record.version && stored->digest == record.digest;
}

// It decides already, and the next start notes it where this fails.
void PolicyBook::NoteVersion(const PolicyRecord& record) const {
  const auto noted = mark_.Raise({.version = record.signed_version, .digest = record.digest});
  if (noted) return;
  platform::LogEvent(platform::LogLevel::kError,
                     "which version of the policy was taken could not be noted beside the keys",
                     {{"version", std::to_string(record.signed_version)},
                      {"reason", noted.error().text},
                      {"advice", noted.error().advice}});
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
  ASSIGN_OR_RETURN(PolicyRecord record, RecordOf(application, bundle), "apply");
  if (bundle == present->bundle) {
    ASSIGN_OR_RETURN(PolicyRecord deciding, Find(present->version), "apply");
    // The same files under another signature are news: a signer may follow another.
    if (record.signature.empty() || record.signature == deciding.signature)
      return AppliedPolicy{.changed = false, .record = std::move(deciding)};
  }
  record.applied_by = actor;
  ASSIGN_OR_RETURN(const auto earlier, List(), "apply");
  RETURN_IF_ERROR(CheckVersion(earlier, record), "apply");
  ASSIGN_OR_RETURN(const auto policy, LoadPolicy(record.version, bundle, context_.policy_engine),
                   "apply");
  RETURN_IF_ERROR(CheckFit(*policy, application), "apply");
  record.allows_all = policy->allows_all;
  const auto committed = Commit(record, actor);
  // An audit log that cannot be written now is completed later: the database may have the policy.
  if (!committed && !IsStored(record))
    return std::unexpected(Error(committed.error()).Wrapped("apply"));
  context_.policy.Replace(policy);
  NoteVersion(record);
  RETURN_IF_ERROR(committed, "apply");
  platform::LogEvent(policy->allows_all ? platform::LogLevel::kWarning : platform::LogLevel::kInfo,
                     policy->allows_all
                         ? "a policy that allows what nobody may be given decides now"
                         : "another policy decides now",
                     {{"version", std::to_string(record.version)},
                      {"digest", Short(record.digest)},
                      {"actor", actor},
                      {"note", record.note}});
  return AppliedPolicy{.changed = true, .record = std::move(record)};
}

}  // namespace lodekey::issuer
