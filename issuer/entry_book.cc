#include "issuer/entry_book.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "attest/entry_codec.h"
#include "issuer/audit_record.h"
#include "issuer/entry_record.h"

namespace lodekey::issuer {
namespace {

using attest::Entry;

constexpr size_t kShortestPrefix = 8;
constexpr size_t kWholeId = 36;  // of a UUID
constexpr size_t kPage = 256;
constexpr size_t kMaxPageBytes = size_t{2} << 20;
constexpr size_t kMaxCallBytes = size_t{16} << 20;

size_t SizeOf(const Entry& entry) { return attest::EncodeEntry(entry).ByteSizeLong(); }

bool IsIdText(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-'; });
}

std::unexpected<Error> NotFound(const std::string& name) {
  return Fail(Code::kNotFound, fmt::format("there is no entry '{}'", name),
              {.name = "entry-not-found", .advice = "List the entries with: lodekey entry list"});
}

Result<std::optional<Entry>> FindByPrefix(View& view, const std::string& prefix) {
  ASSIGN_OR_RETURN(auto found, view.ListEntries(prefix, 2), "find the entry");
  std::erase_if(found, [&](const Entry& entry) { return !entry.id.starts_with(prefix); });
  if (found.size() > 1) {
    return Fail(Code::kConflict, fmt::format("more than one entry begins with '{}'", prefix),
                {.name = "entry-ambiguous", .advice = "Give more characters of the entry's id."});
  }
  if (found.empty()) return std::optional<Entry>();
  return std::optional(std::move(found.front()));
}

// Nothing: it is not there.
Result<std::optional<Entry>> Look(View& view, const std::string& name) {
  if (name.size() < kShortestPrefix || name.size() > kWholeId || !IsIdText(name))
    return std::optional<Entry>();
  return name.size() == kWholeId ? view.FindEntry(name) : FindByPrefix(view, name);
}

bool Matches(const Entry& entry, const EntryFilter& filter) {
  if (!filter.spiffe_id.empty() && entry.spiffe_id != filter.spiffe_id) return false;
  if (filter.selector &&
      std::ranges::find(entry.selectors, *filter.selector) == entry.selectors.end())
    return false;
  return !filter.node || attest::InScope(entry.scope, filter.node->id, filter.node->labels);
}

// Of the change; what else keeps a transaction from going on ends it.
bool IsRefusal(const Error& error) {
  return error.code == Code::kInvalidArgument || error.code == Code::kNotFound ||
         error.code == Code::kConflict;
}

std::unexpected<Error> TooManyChanges(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text),
              {.name = "too-many-changes", .advice = "Make them in several calls."});
}

bool NamesNode(const std::optional<Entry>& entry, const NodeId& node) {
  return entry && std::ranges::find(entry->scope.nodes, node) != entry->scope.nodes.end();
}

// One call within its transaction.
class Batch {
 public:
  Batch(Transaction& transaction, const Context& context, std::string actor, size_t room)
      : transaction_(transaction),
        trust_domain_(context.config.trust_domain),
        now_(context.now()),
        actor_(std::move(actor)),
        room_(room) {}

  Result<AppliedEntry> Apply(const Result<EntryChange>& change) {
    if (!change) return std::unexpected(change.error());
    return std::visit([this](const auto& known) { return Make(known); }, *change);
  }

 private:
  Result<AppliedEntry> Make(const CreateEntry& change);
  Result<AppliedEntry> Make(const UpdateEntry& change);
  Result<AppliedEntry> Make(const DeleteEntry& change);

  // Of an entry that is to take the place of `before`.
  Result<void> Check(const Entry& entry, const std::optional<Entry>& before);
  Result<void> CheckNode(const NodeId& id);
  Result<void> CheckAlone(const Entry& entry);
  AppliedEntry Note(std::optional<Entry> before, std::optional<Entry> after);

  Transaction& transaction_;
  const std::string& trust_domain_;
  Time now_;
  std::string actor_;
  size_t room_;                      // how many entries more there may be
  std::vector<std::string> made_;    // the ids of those that this call created
  std::map<NodeId, bool> may_name_;  // nodes that were looked at
};

Result<AppliedEntry> Batch::Make(const CreateEntry& change) {
  Entry entry = change.entry;
  if (!entry.id.empty() || entry.revision != 0) {
    return Fail(Code::kInvalidArgument, "a new entry is given its id and revision by the issuer",
                {.name = "entry-invalid", .advice = "Leave both out, or update the entry."});
  }
  entry.id = NewEntryId(now_, made_.size());
  if (auto good = Check(entry, std::nullopt); !good) return std::unexpected(good.error());
  if (room_ == 0) {
    return Fail(Code::kConflict, "there are as many entries as an issuer may have",
                {.name = "too-many-entries",
                 .advice = "Delete those that are not needed any longer, or let one entry serve "
                           "many nodes by their labels."});
  }
  if (auto put = transaction_.PutEntry(entry); !put) return std::unexpected(put.error());
  --room_;
  made_.push_back(entry.id);
  return Note(std::nullopt, std::move(entry));
}

Result<AppliedEntry> Batch::Make(const UpdateEntry& change) {
  ASSIGN_OR_RETURN(auto before, transaction_.FindEntry(change.entry.id), "find the entry");
  if (!before) return NotFound(change.entry.id);
  if (before->revision != change.entry.revision) {
    return Fail(
        Code::kConflict,
        fmt::format("entry {} was changed since it was looked at: it has revision {}, not "
                    "{}",
                    before->id, before->revision, change.entry.revision),
        {.name = "entry-changed", .advice = "Look at it again: lodekey entry show " + before->id});
  }
  if (*before == change.entry) return AppliedEntry{.before = before, .after = before};
  if (auto good = Check(change.entry, before); !good) return std::unexpected(good.error());
  if (auto put = transaction_.PutEntry(change.entry); !put) return std::unexpected(put.error());
  return Note(std::move(before), change.entry);
}

Result<AppliedEntry> Batch::Make(const DeleteEntry& change) {
  ASSIGN_OR_RETURN(auto before, Look(transaction_, change.entry), "find the entry");
  // A whole id that is not there was deleted before; part of one may be a slip of the pen.
  const bool whole = change.entry.size() == kWholeId && IsIdText(change.entry);
  if (!before) return whole ? Result<AppliedEntry>(AppliedEntry()) : NotFound(change.entry);
  if (auto gone = transaction_.DeleteEntry(before->id, before->revision); !gone)
    return std::unexpected(gone.error());
  ++room_;
  return Note(std::move(before), std::nullopt);
}

Result<void> Batch::Check(const Entry& entry, const std::optional<Entry>& before) {
  if (auto good = attest::CheckEntry(entry, trust_domain_); !good) return good;
  const bool kept = before && before->expires == entry.expires;
  if (!kept && attest::HasExpired(entry, now_)) {
    return Fail(Code::kInvalidArgument,
                fmt::format("the entry would have ended already, at {}", FormatTime(entry.expires)),
                {.name = "entry-expired", .advice = "Give a later time, or none."});
  }
  for (const NodeId& node : entry.scope.nodes) {
    // One that was named before may have been removed since: that is no reason to keep the rest.
    if (NamesNode(before, node)) continue;
    if (auto known = CheckNode(node); !known) return known;
  }
  return CheckAlone(entry);
}

Result<void> Batch::CheckNode(const NodeId& id) {
  const auto [looked_at, unseen] = may_name_.try_emplace(id, false);
  if (unseen) {
    ASSIGN_OR_RETURN(const auto node, transaction_.FindNode(id), "find the node");
    looked_at->second = node && node->standing != Standing::kRemoved;
  }
  if (looked_at->second) return {};
  return Fail(Code::kNotFound,
              fmt::format("the node {} is not known, or was removed; an entry cannot name it", id),
              {.name = "node-not-found",
               .advice = "List the nodes with: lodekey node list; admit it with: lodekey node "
                         "allow " +
                         id});
}

Result<void> Batch::CheckAlone(const Entry& entry) {
  ASSIGN_OR_RETURN(const auto other, transaction_.FindAlike(entry), "look for one like it");
  if (!other) return {};
  constexpr std::string_view kSame = "has the same SPIFFE ID, node scope and selectors";
  // What this call created has an id only if nothing is refused.
  if (std::ranges::find(made_, *other) != made_.end()) {
    return Fail(Code::kConflict, fmt::format("another change of this call {}", kSame),
                {.name = "entry-exists", .advice = "Leave one of the two out."});
  }
  return Fail(
      Code::kConflict, fmt::format("entry {} {}", *other, kSame),
      {.name = "entry-exists", .advice = "Change that one: lodekey entry update " + *other});
}

AppliedEntry Batch::Note(std::optional<Entry> before, std::optional<Entry> after) {
  if (after) ++after->revision;
  transaction_.Audit(EntryRecord({.actor = actor_, .before = before, .after = after}, now_));
  return {.changed = true, .before = std::move(before), .after = std::move(after)};
}

size_t SizeOf(const AppliedEntry& applied) {
  return (applied.before ? SizeOf(*applied.before) : 0) +
         (applied.after ? SizeOf(*applied.after) : 0);
}

Result<AppliedEntries> ApplyAll(Batch batch, const std::vector<Result<EntryChange>>& changes) {
  AppliedEntries outcome;
  size_t bytes = 0;
  for (size_t i = 0; i < changes.size(); ++i) {
    auto applied = batch.Apply(changes[i]);
    if (!applied) {
      if (!IsRefusal(applied.error())) return std::unexpected(std::move(applied.error()));
      outcome.refused.push_back({.index = i, .error = std::move(applied.error())});
      continue;
    }
    bytes += SizeOf(*applied);
    if (bytes > kMaxCallBytes) return TooManyChanges("the entries are too large for one call");
    outcome.applied.push_back(*std::move(applied));
  }
  if (!outcome.refused.empty()) outcome.applied.clear();
  return outcome;
}

// What would be created is not there yet.
void ForgetNewIds(AppliedEntries& outcome) {
  for (AppliedEntry& applied : outcome.applied) {
    if (applied.before || !applied.after) continue;
    applied.after->id.clear();
    applied.after->revision = 0;
  }
}

// Tells the feed, so that the nodes concerned hear of it within the second.
void NoteChanges(const Context& context, const AppliedEntries& outcome) {
  std::vector<std::string> ids;
  for (const AppliedEntry& applied : outcome.applied) {
    if (applied.changed) ids.push_back(applied.after ? applied.after->id : applied.before->id);
  }
  if (!ids.empty()) context.entries_changed(ids);
}

}  // namespace

Result<Entry> EntryBook::Find(const std::string& name) const {
  Result<std::optional<Entry>> found;
  RETURN_IF_ERROR(context_.store.Read([&](View& view) -> Result<void> {
    found = Look(view, name);
    return {};
  }),
                  "entries");
  if (!found) return std::unexpected(std::move(found.error()));
  std::optional<Entry> entry = *std::move(found);
  if (!entry) return NotFound(name);
  return *std::move(entry);
}

Result<EntryPage> EntryBook::List(const EntryFilter& filter, const std::string& after,
                                  size_t limit) const {
  EntryPage page{.entries = {}, .next = after};
  size_t bytes = 0;
  for (;;) {
    std::vector<Entry> part;
    RETURN_IF_ERROR(context_.store.Read([&](View& view) -> Result<void> {
      ASSIGN_OR_RETURN(part, view.ListEntries(page.next, kPage), "list");
      return {};
    }),
                    "entries");
    for (Entry& entry : part) {
      page.next = entry.id;
      if (!Matches(entry, filter)) continue;
      bytes += SizeOf(entry);
      page.entries.push_back(std::move(entry));
      if (page.entries.size() >= limit || bytes >= kMaxPageBytes) return page;
    }
    if (part.size() < kPage) break;
  }
  page.next.clear();
  return page;
}

Result<AppliedEntries> EntryBook::Apply(const std::vector<Result<EntryChange>>& changes,
                                        bool dry_run, const std::string& actor) const {
  if (changes.size() > kMaxEntryChanges) {
    return TooManyChanges(
        fmt::format("{} changes; one call makes at most {}", changes.size(), kMaxEntryChanges));
  }
  Result<AppliedEntries> outcome;
  bool taken_back = false;
  const auto committed =
      context_.store.CommitAndWait([&](Transaction& transaction) -> Result<void> {
        outcome = {};
        taken_back = false;
        ASSIGN_OR_RETURN(const uint64_t count, transaction.CountEntries(), "count");
        const size_t room = most_ - std::min<size_t>(count, most_);
        outcome = ApplyAll({transaction, context_, actor, room}, changes);
        taken_back = !outcome || dry_run || !outcome->refused.empty();
        // A dry run is a whole one that fails in the end: no check can differ.
        if (taken_back) return Fail(Code::kConflict, "nothing was to be kept");
        return {};
      });
  if (!outcome) return outcome;
  // Also when the commit failed: where the audit log could not be written, the change may stand.
  if (!taken_back) NoteChanges(context_, *outcome);
  if (!committed && !taken_back) {
    return std::unexpected(Error(committed.error()).Wrapped("entries"));
  }
  if (dry_run) ForgetNewIds(*outcome);
  return outcome;
}

}  // namespace lodekey::issuer
