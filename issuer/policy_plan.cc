#include "issuer/policy_plan.h"

#include <algorithm>
#include <map>
#include <set>

#include "issuer/policy_message.h"

namespace lodekey::issuer {
namespace {

namespace proto = lodekey::policy::v1;

constexpr size_t kPage = 256;
// Inputs of one call: as few as have each their whole time within that of the call.
constexpr size_t kAtOnce = 8;

// What of a decision somebody would notice.
std::string Essence(const proto::Decision& decision) {
  std::set<std::string> codes;
  for (const proto::Reason& reason : decision.reasons()) codes.insert(reason.code());
  std::string essence = decision.allowed() ? "allow" : "deny";
  for (const std::string& code : codes) essence += " " + code;
  return essence + " " + std::to_string(decision.ttl_ms()) + " " +
         std::to_string(decision.evidence_within_ms()) + (decision.approval() ? " approval" : "");
}

struct Again {
  const DecisionRecord* record = nullptr;
  proto::Decision before;
  proto::Decision after;
};

// `records` of one point, at most kAtOnce.
Result<std::vector<Again>> DecideAgain(const LoadedPolicy& policy, PolicyPoint point,
                                       const std::vector<const DecisionRecord*>& records) {
  std::vector<std::string> inputs;
  for (const DecisionRecord* record : records) inputs.push_back(record->input);
  const auto rulings = Policy::Rehearse(policy, point, std::move(inputs), records.front()->decided);
  std::vector<Again> again(records.size());
  for (size_t i = 0; i < records.size(); ++i) {
    again[i].record = records[i];
    if (!again[i].before.ParseFromString(records[i]->outcome))
      return Fail(Code::kInternal, "a recorded decision does not parse");
    again[i].after = DecisionOf(rulings[i], records[i]->node, records[i]->entry);
  }
  return again;
}

// All of `records`, by point and in parts that a worker takes.
Result<std::vector<Again>> DecideAllAgain(const LoadedPolicy& policy,
                                          const std::vector<DecisionRecord>& records) {
  std::map<PolicyPoint, std::vector<const DecisionRecord*>> waiting;
  std::vector<Again> all;
  const auto flush = [&](PolicyPoint point) -> Result<void> {
    auto& part = waiting[point];
    if (part.empty()) return {};
    ASSIGN_OR_RETURN(auto again, DecideAgain(policy, point, part), "decide again");
    std::ranges::move(again, std::back_inserter(all));
    part.clear();
    return {};
  };
  for (const DecisionRecord& record : records) {
    ASSIGN_OR_RETURN(const PolicyPoint point, ParsePolicyPoint(record.point), "decision");
    waiting[point].push_back(&record);
    if (waiting[point].size() == kAtOnce) RETURN_IF_ERROR(flush(point), "plan");
  }
  for (const auto& [point, part] : waiting) RETURN_IF_ERROR(flush(point), "plan");
  return all;
}

// Puts changes together as they are found.
class Changes {
 public:
  explicit Changes(PlannedPolicy& planned) : planned_(planned) {}

  void Add(const Again& again) {
    ++planned_.decisions;
    const std::string before = Essence(again.before);
    const std::string after = Essence(again.after);
    if (before == after) {
      ++planned_.same;
      return;
    }
    const DecisionRecord& record = *again.record;
    const std::string kind =
        record.point + "\n" + record.node + "\n" + record.entry + "\n" + before + "\n" + after;
    const auto [place, is_new] = places_.try_emplace(kind, planned_.changes.size());
    if (is_new && planned_.changes.size() == kMaxPlannedChanges) {
      planned_.truncated = true;
      places_.erase(place);
      return;
    }
    if (is_new)
      planned_.changes.push_back({.point = record.point,
                                  .node = record.node,
                                  .entry = record.entry,
                                  .before = {},
                                  .after = {}});
    PlannedChange& change = planned_.changes[place->second];
    change.before = again.before;
    change.after = again.after;
    ++change.count;
  }

 private:
  PlannedPolicy& planned_;
  std::map<std::string, size_t> places_;
};

Result<std::vector<DecisionRecord>> ReadPage(const Context& context, const DecisionFilter& filter) {
  std::vector<DecisionRecord> page;
  RETURN_IF_ERROR(context.store.Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(page, view.ListDecisions(filter, kPage), "list decisions");
    return {};
  }),
                  "decisions");
  return page;
}

struct ActiveNodes {
  NodeId last;  // empty: there are no more
  uint64_t count = 0;
  std::vector<DecisionRecord> standings;  // of those that have one on record
};

Result<ActiveNodes> ReadActive(const Context& context, const NodeId& after) {
  ActiveNodes active;
  RETURN_IF_ERROR(context.store.Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(const auto page, view.ListNodes(after, kPage), "list nodes");
    for (const NodeRecord& node : page) {
      active.last = node.id;
      if (node.standing != Standing::kActive) continue;
      ++active.count;
      ASSIGN_OR_RETURN(auto last, view.LastStanding(node.id), "last standing");
      if (last) active.standings.push_back(*std::move(last));
    }
    return {};
  }),
                  "active nodes");
  return active;
}

}  // namespace

Result<PlannedPolicy> PolicyPlan::Make(const LoadedPolicy& policy, Time since) const {
  PlannedPolicy planned;
  planned.base_version = context_.policy.Current()->version;
  Changes changes(planned);
  DecisionFilter filter{.since = since};
  for (;;) {
    ASSIGN_OR_RETURN(const auto page, ReadPage(context_, filter), "plan");
    if (page.empty()) break;
    ASSIGN_OR_RETURN(const auto again, DecideAllAgain(policy, page), "plan");
    for (const Again& one : again) changes.Add(one);
    filter.after = page.back().seq;
    planned.truncated |= planned.decisions >= kMaxPlannedDecisions;
    if (planned.decisions >= kMaxPlannedDecisions) break;
  }
  std::ranges::stable_sort(planned.changes, std::greater(), &PlannedChange::count);
  RETURN_IF_ERROR(CountCutOff(policy, planned), "plan");
  return planned;
}

Result<void> PolicyPlan::CountCutOff(const LoadedPolicy& policy, PlannedPolicy& planned) const {
  for (NodeId after;;) {
    ASSIGN_OR_RETURN(const ActiveNodes active, ReadActive(context_, after), "nodes");
    if (active.last.empty()) return {};
    after = active.last;
    planned.nodes_active += active.count;
    planned.nodes_judged += active.standings.size();
    ASSIGN_OR_RETURN(const auto again, DecideAllAgain(policy, active.standings), "nodes");
    planned.nodes_cut_off += static_cast<uint64_t>(
        std::ranges::count_if(again, [](const Again& one) { return !one.after.allowed(); }));
  }
}

}  // namespace lodekey::issuer
