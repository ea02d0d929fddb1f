#include "agent/entry_set.h"

#include <algorithm>

#include "attest/entry_codec.h"

namespace lodekey::agent {
namespace {

constexpr int kMaxEntries = 10'000;

lodekey::node::v1::UnusableEntry Unusable(const std::string& id, const Error& error) {
  lodekey::node::v1::UnusableEntry unusable;
  unusable.set_entry_id(id);
  unusable.set_code(std::string(error.Name()));
  unusable.set_text(error.text);
  unusable.set_advice(error.advice);
  return unusable;
}

}  // namespace

Result<EntrySet> ReadEntrySet(const lodekey::node::v1::EntrySet& message,
                              const std::string& trust_domain) {
  if (message.entries_size() > kMaxEntries || message.unusable_size() > kMaxEntries) {
    return Fail(Code::kUntrusted, "the issuer sent more entries than a node can have",
                {.name = "entry-set-invalid"});
  }
  EntrySet set;
  set.unusable.assign(message.unusable().begin(), message.unusable().end());
  for (const auto& encoded : message.entries()) {
    auto entry = attest::DecodeEntry(encoded);
    const auto checked = entry ? attest::CheckPushedEntry(*entry, trust_domain)
                               : Result<void>(std::unexpected(entry.error()));
    if (!checked) {
      set.unusable.push_back(Unusable(encoded.id(), checked.error()));
    } else {
      set.entries.push_back(std::make_shared<const attest::Entry>(*std::move(entry)));
    }
  }
  std::ranges::sort(set.entries, {}, [](const EntryPtr& entry) { return entry->id; });
  const auto same = [](const EntryPtr& a, const EntryPtr& b) { return a->id == b->id; };
  if (std::ranges::adjacent_find(set.entries, same) != set.entries.end()) {
    return Fail(Code::kUntrusted, "the issuer sent one entry twice", {.name = "entry-set-invalid"});
  }
  ASSIGN_OR_RETURN(TrustBundle bundle, ReadTrustBundle(message.bundle(), trust_domain), "entries");
  set.bundle = std::make_shared<const TrustBundle>(std::move(bundle));
  return set;
}

}  // namespace lodekey::agent
