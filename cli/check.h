// One finding of `lodekey doctor`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cli/json.h"

namespace lodekey::cli {

enum class Level { kOk, kWarn, kFail };
std::string_view LevelName(Level level);  // "ok", "warn", "fail"

struct Check {
  std::string id = {};  // stable, kebab-case: docs/cli.md
  Level level = Level::kOk;
  std::string what = {};  // what was found
  std::string why = {};   // why it matters; empty when ok
  std::string fix = {};   // what to do; empty when ok
};

// A failed check whose finding and remedy are the error's; `why` says what it prevents.
Check FailedCheck(std::string id, const Error& error, std::string why, const std::string& fix = {});

bool AnyFailed(const std::vector<Check>& checks);

std::string ChecksText(const std::vector<Check>& checks);
Json ChecksJson(const std::vector<Check>& checks);

}  // namespace lodekey::cli
