#include "issuer/policy_calls.h"

#include "attest/codec.h"
#include "attest/policy_codec.h"
#include "issuer/decision_book.h"
#include "issuer/policy_bundle.h"
#include "issuer/policy_message.h"
#include "issuer/store_limits.h"

namespace lodekey::issuer {
namespace {

namespace admin = lodekey::admin::v1;

// None: the present policy.
template <class Request>
Result<std::optional<attest::PolicyBundle>> BundleOf(const Request& request) {
  if (!request.has_bundle()) return std::optional<attest::PolicyBundle>();
  ASSIGN_OR_RETURN(attest::PolicyBundle bundle, attest::DecodePolicy(request.bundle()), "read");
  return std::optional(std::move(bundle));
}

struct Question {
  PolicyPoint point = PolicyPoint::kIssuance;
  std::string input;
};

// A recorded input is of the point that it was recorded for.
Result<Question> QuestionOf(const Context& context, const admin::EvaluatePolicyRequest& request) {
  if (request.input_digest().empty()) {
    ASSIGN_OR_RETURN(const PolicyPoint point, ParsePolicyPoint(request.point()), "input");
    return Question{.point = point, .input = request.input()};
  }
  ASSIGN_OR_RETURN(DecisionRecord found,
                   DecisionBook(context).Find(AsBytes(request.input_digest())), "input");
  const std::string& named = request.point().empty() ? found.point : request.point();
  ASSIGN_OR_RETURN(const PolicyPoint point, ParsePolicyPoint(named), "input");
  return Question{.point = point, .input = std::move(found.input)};
}

}  // namespace

Result<void> PolicyCalls::Check(const admin::CheckPolicyRequest& request,
                                admin::CheckPolicyResponse& response) const {
  ASSIGN_OR_RETURN(const auto bundle, BundleOf(request), "check a policy");
  ASSIGN_OR_RETURN(const CheckedPolicy checked, book_.Check(bundle, request.run_tests()),
                   "check a policy");
  response.set_digest(attest::ToField(checked.digest));
  response.set_allows_all(checked.allows_all);
  for (const PolicyTestResult& test : checked.tests) {
    admin::PolicyTest& message = *response.add_tests();
    message.set_name(test.name);
    message.set_passed(test.passed);
    message.set_message(test.message);
  }
  return {};
}

Result<void> PolicyCalls::Show(const admin::ShowPolicyRequest& request,
                               admin::ShowPolicyResponse& response) const {
  const auto version =
      request.has_version() ? std::optional(request.version()) : std::optional<uint64_t>();
  ASSIGN_OR_RETURN(const PolicyRecord record, book_.Find(version), "show a policy");
  ASSIGN_OR_RETURN(const attest::PolicyBundle bundle, DecodeBundle(record.content),
                   "show a policy");
  *response.mutable_version() = VersionOf(record);
  *response.mutable_bundle() = attest::EncodePolicy(bundle);
  return {};
}

Result<void> PolicyCalls::Evaluate(const admin::EvaluatePolicyRequest& request,
                                   admin::EvaluatePolicyResponse& response) const {
  ASSIGN_OR_RETURN(const auto bundle, BundleOf(request), "evaluate");
  ASSIGN_OR_RETURN(const Question question, QuestionOf(context_, request), "evaluate");
  ASSIGN_OR_RETURN(const Ruling ruling, book_.Evaluate(bundle, question.point, question.input),
                   "evaluate");
  *response.mutable_decision() = DecisionOf(ruling, {}, {});
  response.set_input(question.input);
  return {};
}

Result<void> PolicyCalls::Plan(const admin::PlanPolicyRequest& request,
                               admin::PlanPolicyResponse& response) const {
  ASSIGN_OR_RETURN(const auto bundle, BundleOf(request), "plan");
  ASSIGN_OR_RETURN(const PlannedPolicy planned,
                   book_.Plan(bundle, Time(Duration(request.since_unix_ms()))), "plan");
  response.set_base_version(planned.base_version);
  response.set_decisions(planned.decisions);
  response.set_same(planned.same);
  for (const PlannedChange& change : planned.changes) {
    admin::PolicyChange& message = *response.add_changes();
    message.set_point(change.point);
    message.set_node(change.node);
    message.set_entry(change.entry);
    *message.mutable_before() = change.before;
    *message.mutable_after() = change.after;
    message.set_count(change.count);
  }
  response.set_nodes_active(planned.nodes_active);
  response.set_nodes_judged(planned.nodes_judged);
  response.set_nodes_cut_off(planned.nodes_cut_off);
  response.set_locks_out(planned.LocksOut());
  response.set_truncated(planned.truncated);
  return {};
}

Result<void> PolicyCalls::Apply(const admin::ApplyPolicyRequest& request, const std::string& actor,
                                admin::ApplyPolicyResponse& response) {
  if (request.note().size() > kMaxPolicyNote) {
    return Fail(Code::kInvalidArgument, "the note is too long",
                {.name = "note-invalid", .advice = "Give a note of at most 1024 bytes."});
  }
  PolicyApplication application{.content = request.rollback_to(),
                                .base_version = request.base_version(),
                                .note = request.note(),
                                .lock_out = request.yes_lock_out()};
  if (request.has_bundle()) {
    ASSIGN_OR_RETURN(application.content, attest::DecodePolicy(request.bundle()), "apply a policy");
  }
  if (request.has_signature()) {
    ASSIGN_OR_RETURN(application.signature, DecodePolicySignature(request.signature()),
                     "apply a policy");
  }
  ASSIGN_OR_RETURN(const AppliedPolicy applied, book_.Apply(application, actor), "apply a policy");
  response.set_changed(applied.changed);
  *response.mutable_version() = VersionOf(applied.record);
  return {};
}

Result<void> PolicyCalls::List(admin::ListPoliciesResponse& response) const {
  ASSIGN_OR_RETURN(const auto records, book_.List(), "list the policies");
  for (const PolicyRecord& record : records) *response.add_versions() = VersionOf(record);
  return {};
}

}  // namespace lodekey::issuer
