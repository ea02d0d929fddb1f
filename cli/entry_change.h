// Changes of entries: sent to the issuer, and what came of them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/session.h"

namespace CLI {
class App;
}

namespace lodekey::cli {

struct ChangeOptions {
  bool dry_run = false;
  bool diff = false;
};

// --dry-run, --diff and --detailed-exitcode.
void AddChangeOptions(CLI::App& verb, Session& session, ChangeOptions& options);

// The refusals of several things, printed one by one, as one error.
Error PrintRefusals(Session& session, const std::vector<Error>& refusals, std::string name,
                    std::string summary);

// What the changes of one verb are besides themselves.
struct ChangeContext {
  ChangeOptions options = {};
  // Where each change comes from, for its refusal ("line 3"); empty: it needs no telling.
  std::vector<std::string> sources = {};
  size_t unchanged = 0;    // entries that need no change
  bool summarise = false;  // say how many
};

Result<ExitCode> ApplyChanges(Session& session, admin::v1::ApplyEntriesRequest request,
                              const ChangeContext& context);

}  // namespace lodekey::cli
