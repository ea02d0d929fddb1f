#include "issuer/node_admission.h"

#include <fmt/format.h>

#include "issuer/node_limits.h"

namespace lodekey::issuer {
namespace {

// Whether its enrolment, if any, goes on as it is.
bool IsAdmitted(const NodeRecord& record) {
  switch (record.standing) {
    case Standing::kAllowed:
    case Standing::kActive:
    case Standing::kRefused: return true;
    case Standing::kQuarantined:
    case Standing::kRemoved:
    case Standing::kPending:
    case Standing::kBarred: return false;
  }
  return false;
}

}  // namespace

NodeLabels MergeLabels(NodeLabels labels, const NodeLabels& given) {
  for (const auto& [name, value] : given) {
    if (value.empty()) {
      labels.erase(name);
    } else {
      labels.insert_or_assign(name, value);
    }
  }
  return labels;
}

std::string JoinLabels(const NodeLabels& labels) {
  std::string text;
  for (const auto& [name, value] : labels)
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, value);
  return text;
}

void Readmit(NodeRecord& record) {
  record.standing = Standing::kAllowed;
  record.enrolment.reset();
  record.reset_count_decreased.reset();
  record.nonces.clear();
  record.shown.clear();
  record.devid.clear();
  record.devid_name.clear();
}

Result<AllowedNode> AllowIn(View& view, const std::string& ek_hash, const NodeLabels& labels,
                            Time now) {
  if (!IsKeyHash(ek_hash)) {
    return Fail(
        Code::kInvalidArgument, fmt::format("'{}' is not the hash of an endorsement key", ek_hash),
        {.name = "ek-hash-invalid",
         .advice = "Give the 64 lower-case hex digits that 'lodekey ek' prints on the host."});
  }
  ASSIGN_OR_RETURN(auto existing, view.FindNodeByEk(ek_hash), "find the node");
  AllowedNode allowed{.changed = !existing || !IsAdmitted(*existing),
                      .before = existing ? std::string(StandingName(existing->standing)) : "new",
                      .record = std::move(existing).value_or(
                          NodeRecord{.id = ek_hash, .created = now, .ek_hashes = {ek_hash}})};
  if (!IsAdmitted(allowed.record)) Readmit(allowed.record);
  auto merged = MergeLabels(allowed.record.labels, labels);
  allowed.changed = allowed.changed || merged != allowed.record.labels;
  allowed.record.labels = std::move(merged);
  return allowed;
}

OperatorAction AllowAction(const NodeRecord& record, const std::string& before,
                           const std::string& actor) {
  return {.event = "node.allowed",
          .actor = actor,
          .node = record.id,
          .before = before,
          .detail = JoinLabels(record.labels)};
}

}  // namespace lodekey::issuer
