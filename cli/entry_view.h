// Entries, and what became of them, as people and programs read them. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attest/entry.h"
#include "base/time.h"
#include "cli/json.h"

namespace lodekey::cli {

// What a change did, or would do.
struct EntryOutcome {
  bool changed = false;
  std::optional<attest::Entry> before = {};  // none: it is created, or was not there
  std::optional<attest::Entry> after = {};   // none: it is deleted, or was not there
};

std::string EntryListText(const std::vector<attest::Entry>& entries);
std::string EntryText(const attest::Entry& entry, Time now);

// A sentence, and with `diff` a line for each value that goes ("-") or comes ("+").
std::string OutcomeText(const EntryOutcome& outcome, bool dry_run, bool diff);
// "change" ("created", "updated", "deleted", "none"), "before", "after".
Json OutcomeJson(const EntryOutcome& outcome);

}  // namespace lodekey::cli
