#include "issuer/decision_book.h"

#include <algorithm>

#include <fmt/format.h>

#include "attest/codec.h"

namespace lodekey::issuer {
namespace {

namespace v1 = lodekey::policy::v1;

// One call stays short, whatever is looked for; the next one goes on.
constexpr size_t kMaxLookedThrough = 5000;
constexpr size_t kMaxPageBytes = size_t{2} << 20;
constexpr size_t kPart = 500;

bool HasReason(const v1::Decision& decision, const std::string& code) {
  return code.empty() || std::ranges::any_of(decision.reasons(), [&](const v1::Reason& reason) {
           return reason.code() == code;
         });
}

}  // namespace

v1::Decision DecisionOf(const DecisionRecord& record) {
  v1::Decision decision;
  // One that does not parse is shown with what its row says.
  if (!decision.ParseFromString(record.outcome)) decision.Clear();
  decision.set_point(record.point);
  decision.set_decided_unix_ms(record.decided.time_since_epoch().count());
  decision.set_node(record.node);
  decision.set_entry(record.entry);
  decision.set_policy_version(record.policy_version);
  decision.set_allowed(record.allowed);
  decision.set_input_digest(attest::ToField(record.input_digest));
  return decision;
}

Result<DecisionPage> DecisionBook::List(DecisionFilter filter, const std::string& code,
                                        size_t limit) const {
  DecisionPage page;
  const size_t most = std::clamp<size_t>(limit, 1, kMaxPage);
  size_t bytes = 0;
  for (size_t looked_through = 0; looked_through < kMaxLookedThrough;) {
    std::vector<DecisionRecord> part;
    RETURN_IF_ERROR(context_.store.Read([&](View& view) -> Result<void> {
      ASSIGN_OR_RETURN(part, view.ListDecisions(filter, kPart), "list");
      return {};
    }),
                    "decisions");
    if (part.empty()) {
      page.next = 0;
      return page;
    }
    looked_through += part.size();
    for (const DecisionRecord& record : part) {
      filter.after = page.next = record.seq;
      v1::Decision decision = DecisionOf(record);
      if (!HasReason(decision, code)) continue;
      bytes += decision.ByteSizeLong();
      page.decisions.push_back(std::move(decision));
      if (page.decisions.size() == most || bytes >= kMaxPageBytes) return page;
    }
  }
  return page;
}

Result<DecisionRecord> DecisionBook::Find(ByteView digest) const {
  if (digest.size() < kShortestPrefix) {
    return Fail(Code::kInvalidArgument,
                fmt::format("a digest is named by {} digits or more", 2 * kShortestPrefix),
                {.name = "digest-too-short",
                 .advice = "Give it as the audit log has it: lodekey audit search"});
  }
  std::optional<DecisionRecord> found;
  RETURN_IF_ERROR(context_.store.Read([&](View& view) -> Result<void> {
    auto decision = view.FindDecision(digest);
    if (!decision) return std::unexpected(std::move(decision.error()));
    found = *std::move(decision);
    return {};
  }),
                  "decisions");
  if (found) return *std::move(found);
  return Fail(Code::kNotFound, fmt::format("no recorded input begins with {}", ToHex(digest)),
              {.name = "decision-not-found",
               .advice = "Inputs are kept for 'retention.decisions', and while there is room "
                         "('retention.decision_bytes'); the audit log keeps the decision itself."});
}

}  // namespace lodekey::issuer
