#include "agent/workload_inspection.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "attest/entry_codec.h"
#include "platform/process_snapshot.h"

namespace lodekey::agent {
namespace {

namespace api = lodekey::agent::v1;

Result<CallingProcess> LookAt(pid_t pid) {
  ASSIGN_OR_RETURN(platform::Peer peer, platform::PeerOfPid(pid), "inspect");
  ASSIGN_OR_RETURN(platform::ProcessSnapshot snapshot, platform::TakeSnapshot(peer), "inspect");
  return CallingProcess{.peer = std::make_shared<const platform::Peer>(std::move(peer)),
                        .snapshot = std::move(snapshot)};
}

void SetProblem(const Error& error, api::Problem& problem) {
  problem.set_code(std::string(error.Name()));
  problem.set_text(error.text);
  problem.set_advice(error.advice);
}

// Without the scope: which other nodes have the entry is not told on this one.
void DescribeEntry(const EntryDistance& distance, api::EntryMatch& match) {
  *match.mutable_entry() = attest::EncodeEntry(*distance.entry);
  for (const attest::Selector& selector : distance.missing)
    match.add_missing(attest::FormatSelector(selector));
  if (distance.svid)
    match.set_not_after_unix_ms(distance.svid->not_after.time_since_epoch().count());
  if (distance.problem) SetProblem(*distance.problem, *match.mutable_problem());
}

api::Refused DescribeRefusal(const IssuerRefusal& kept) {
  api::Refused refused;
  refused.set_kind(kept.purpose ? "jwt" : "x509");
  if (kept.purpose) {
    *refused.mutable_audiences() = {kept.purpose->audiences.begin(), kept.purpose->audiences.end()};
    *refused.mutable_scopes() = {kept.purpose->scopes.begin(), kept.purpose->scopes.end()};
    refused.set_task(kept.purpose->task);
  }
  refused.set_refused_unix_ms(kept.at.time_since_epoch().count());
  *refused.mutable_refusal() = kept.refusal;
  return refused;
}

}  // namespace

void WorkloadInspection::Inspect(pid_t pid, const Reply& reply) const {
  auto process = LookAt(pid);
  if (!process) return reply(std::unexpected(std::move(process.error())));
  pool_.Attest(std::make_shared<const CallingProcess>(*std::move(process)),
               {.executable_digest = true}, [this, pid, reply](const Result<Attested>& attested) {
                 if (!attested) return reply(std::unexpected(attested.error()));
                 reply(Describe(pid, *attested));
               });
}

api::Workload WorkloadInspection::Describe(pid_t pid, const Attested& attested) const {
  api::Workload workload;
  workload.set_pid(pid);
  for (const auto& graded : attested.selectors) {
    auto& selector = *workload.add_selectors();
    selector.set_selector(attest::FormatSelector(graded.selector));
    selector.set_grade(std::string(attest::GradeName(graded.grade)));
  }
  for (const std::string& remark : attested.remarks) workload.add_remarks(remark);
  const auto problem = book_.problem();
  workload.set_entries_known(!problem);
  if (problem) SetProblem(*problem, *workload.mutable_problem());
  size_t near = 0;
  for (const EntryDistance& distance : book_.Explain(attested.selectors)) {
    if (!distance.missing.empty() && ++near > kMaxNearEntries) break;
    api::EntryMatch& match = *workload.add_entries();
    DescribeEntry(distance, match);
    for (const IssuerRefusal& refusal : refusals_.Of(distance.entry->id))
      *match.add_refused() = DescribeRefusal(refusal);
  }
  for (auto& unusable : book_.unusable()) *workload.add_unusable() = std::move(unusable);
  return workload;
}

}  // namespace lodekey::agent
