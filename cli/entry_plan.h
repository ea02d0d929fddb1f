// What makes the issuer's entries those of a file. Pure.
#pragma once

#include <string>
#include <vector>

#include "attest/entry.h"
#include "base/error.h"
#include "cli/entry_file.h"
#include "lodekey/admin/v1/admin_service.pb.h"

namespace lodekey::cli {

struct EntryPlan {
  lodekey::admin::v1::ApplyEntriesRequest request;  // creations and updates
  std::vector<std::string> sources;                 // of its changes: "line 3"
  size_t unchanged = 0;                             // entries that are so already
  std::vector<Error> problems;                      // of lines that mean the same entry
};

// A line means the entry whose id it has, else the one with the same SPIFFE ID, node scope and
// selectors, else a new one. Entries that no line means are left alone.
EntryPlan PlanImport(const std::vector<EntryLine>& lines,
                     const std::vector<attest::Entry>& existing);

}  // namespace lodekey::cli
