#include "issuer/entry_message.h"

#include "attest/entry_codec.h"

namespace lodekey::issuer {
namespace {

namespace admin = lodekey::admin::v1;

Result<EntryChange> DecodeChange(const admin::EntryChange& message) {
  switch (message.change_case()) {
    case admin::EntryChange::kCreate: {
      ASSIGN_OR_RETURN(attest::Entry entry, attest::DecodeEntry(message.create()), "create");
      return CreateEntry{std::move(entry)};
    }
    case admin::EntryChange::kUpdate: {
      ASSIGN_OR_RETURN(attest::Entry entry, attest::DecodeEntry(message.update()), "update");
      return UpdateEntry{std::move(entry)};
    }
    case admin::EntryChange::kRemove: return DeleteEntry{message.remove().entry()};
    case admin::EntryChange::CHANGE_NOT_SET: break;
  }
  return Fail(Code::kInvalidArgument, "a change that says nothing", {.name = "entry-invalid"});
}

}  // namespace

Result<EntryFilter> DecodeEntryFilter(const admin::ListEntriesRequest& request,
                                      const Inventory& inventory) {
  EntryFilter filter{.spiffe_id = request.spiffe_id()};
  if (!request.selector().empty()) {
    ASSIGN_OR_RETURN(filter.selector, attest::ParseSelector(request.selector()), "list entries");
  }
  if (!request.node().empty()) {
    ASSIGN_OR_RETURN(filter.node, inventory.Find(request.node()), "list entries");
  }
  return filter;
}

admin::ListEntriesResponse EncodeEntryPage(const EntryPage& page) {
  admin::ListEntriesResponse response;
  for (const attest::Entry& entry : page.entries)
    *response.add_entries() = attest::EncodeEntry(entry);
  response.set_next(page.next);
  return response;
}

std::vector<Result<EntryChange>> DecodeEntryChanges(const admin::ApplyEntriesRequest& request) {
  std::vector<Result<EntryChange>> changes;
  changes.reserve(static_cast<size_t>(request.changes_size()));
  for (const admin::EntryChange& change : request.changes())
    changes.push_back(DecodeChange(change));
  return changes;
}

admin::ApplyEntriesResponse EncodeAppliedEntries(const AppliedEntries& outcome) {
  admin::ApplyEntriesResponse response;
  for (const AppliedEntry& applied : outcome.applied) {
    admin::AppliedEntry& message = *response.add_applied();
    message.set_changed(applied.changed);
    if (applied.before) *message.mutable_before() = attest::EncodeEntry(*applied.before);
    if (applied.after) *message.mutable_after() = attest::EncodeEntry(*applied.after);
  }
  for (const RefusedEntry& refused : outcome.refused) {
    admin::RefusedEntry& message = *response.add_refused();
    message.set_index(static_cast<uint32_t>(refused.index));
    message.set_code(std::string(refused.error.Name()));
    message.set_text(refused.error.text);
    message.set_advice(refused.error.advice);
  }
  return response;
}

}  // namespace lodekey::issuer
