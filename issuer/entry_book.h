// What operators do with entries: create, update, delete. A call is one transaction: all of its
// changes, each with its audit record, or none.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "attest/entry.h"
#include "base/result.h"
#include "issuer/context.h"
#include "issuer/node_record.h"

namespace lodekey::issuer {

inline constexpr size_t kMaxEntryChanges = 1000;  // of one call
inline constexpr size_t kMaxEntries = 100'000;    // of an issuer

struct CreateEntry {
  attest::Entry entry;  // without id and revision
};
struct UpdateEntry {
  attest::Entry entry;  // as it is to be, with its id and the revision that was seen
};
struct DeleteEntry {
  std::string entry;  // as in EntryBook::Find
};
using EntryChange = std::variant<CreateEntry, UpdateEntry, DeleteEntry>;

struct AppliedEntry {
  bool changed = false;
  std::optional<attest::Entry> before = {};  // none: it was created, or is not there
  std::optional<attest::Entry> after = {};   // none: it was deleted, or is not there
};

struct RefusedEntry {
  size_t index = 0;  // of the change
  Error error;
};

struct AppliedEntries {
  std::vector<AppliedEntry> applied = {};  // in the order of the changes; empty when any is refused
  std::vector<RefusedEntry> refused = {};  // every change that cannot be made; then none is
};

// Which entries; what is empty does not matter.
struct EntryFilter {
  std::string spiffe_id = {};  // as it was written
  std::optional<attest::Selector> selector = {};
  std::optional<NodeRecord> node = {};  // is in their scope
};

struct EntryPage {
  std::vector<attest::Entry> entries;
  std::string next;  // empty: the end
};

// Blocking; thread-safe.
class EntryBook {
 public:
  explicit EntryBook(Context& context, size_t most = kMaxEntries)
      : context_(context), most_(most) {}

  // By id, or a prefix of at least eight characters that only one entry has. kNotFound
  // ("entry-not-found"), kConflict ("entry-ambiguous").
  Result<attest::Entry> Find(const std::string& name) const;

  // Ordered by id, those after `after`: at most `limit`, and not more than 2 MiB.
  Result<EntryPage> List(const EntryFilter& filter, const std::string& after, size_t limit) const;

  // The changes in their order, each on what those before it left. One that could not even be read
  // comes as its error, and is refused with the others. With `dry_run` the answer is the same and
  // nothing is changed, but that what would be created has no id and no revision yet. `actor` goes
  // into the audit records. Reasons for a refusal, besides those of attest::CheckEntry:
  // - "node-not-found": a node that the change brings into the scope is not known, or removed;
  // - "entry-exists": another entry has the same SPIFFE ID, node scope and selectors;
  // - "entry-not-found", "entry-ambiguous"; an id that is whole and not there has been deleted;
  // - "entry-changed": the entry has another revision than the one that was seen;
  // - "entry-expired": it would have ended already;
  // - "too-many-entries".
  // kInvalidArgument ("too-many-changes") beyond kMaxEntryChanges, or 16 MiB of entries.
  Result<AppliedEntries> Apply(const std::vector<Result<EntryChange>>& changes, bool dry_run,
                               const std::string& actor) const;

 private:
  Context& context_;
  size_t most_;
};

}  // namespace lodekey::issuer
