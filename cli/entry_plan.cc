#include "cli/entry_plan.h"

#include <map>

#include <fmt/format.h>

#include "attest/entry_codec.h"

namespace lodekey::cli {
namespace {

using attest::Entry;
using Likeness = crypto::Sha256Digest;

// The issuer's entries, to be found by what a line says.
class Known {
 public:
  explicit Known(const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) {
      by_id_.emplace(entry.id, &entry);
      by_likeness_.emplace(attest::EntryLikeness(entry), &entry);
    }
  }

  // Null: a new one.
  const Entry* Find(const Entry& wanted) const {
    const auto named = by_id_.find(wanted.id);
    if (named != by_id_.end()) return named->second;
    const auto alike = by_likeness_.find(attest::EntryLikeness(wanted));
    return alike == by_likeness_.end() ? nullptr : alike->second;
  }

 private:
  std::map<std::string, const Entry*> by_id_;
  std::map<Likeness, const Entry*> by_likeness_;
};

// `wanted` in the place of `present`: another order of nodes or selectors is no change.
Entry InPlaceOf(const Entry& present, Entry wanted) {
  wanted.id = present.id;
  wanted.revision = present.revision;
  if (attest::EntryLikeness(wanted) == attest::EntryLikeness(present)) {
    wanted.scope = present.scope;
    wanted.selectors = present.selectors;
  }
  return wanted;
}

Error SameAs(size_t line, size_t earlier) {
  return {.code = Code::kInvalidArgument,
          .text = fmt::format("line {}: means the same entry as line {}", line, earlier),
          .name = "entry-exists",
          .advice = "Leave one of the two out."};
}

}  // namespace

EntryPlan PlanImport(const std::vector<EntryLine>& lines, const std::vector<Entry>& existing) {
  const Known known(existing);
  EntryPlan plan;
  std::map<std::string, size_t> line_of_id;  // of the issuer's entries
  std::map<Likeness, size_t> line_of_likeness;
  for (const EntryLine& line : lines) {
    const Entry* present = known.Find(line.entry);
    const auto alike = line_of_likeness.try_emplace(attest::EntryLikeness(line.entry), line.number);
    size_t first = alike.first->second;
    if (alike.second && present != nullptr)
      first = line_of_id.try_emplace(present->id, line.number).first->second;
    if (first != line.number) {
      plan.problems.push_back(SameAs(line.number, first));
      continue;
    }
    if (present == nullptr) {
      auto& created = *plan.request.add_changes()->mutable_create();
      created = attest::EncodeEntry(line.entry);
      created.clear_id();
    } else {
      const Entry wanted = InPlaceOf(*present, line.entry);
      if (wanted == *present) {
        ++plan.unchanged;
        continue;
      }
      *plan.request.add_changes()->mutable_update() = attest::EncodeEntry(wanted);
    }
    plan.sources.push_back(fmt::format("line {}", line.number));
  }
  return plan;
}

}  // namespace lodekey::cli
