// What a configuration may contain: one row per option. Programs state their schema once; reading,
// checking, environment names, `config show` and documentation follow from it.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lodekey::platform {

// In TOML / as text (defaults, environment, command line).
enum class OptionKind {
  kText,     // string / the text itself
  kList,     // array of strings / comma-separated, blanks around elements dropped
  kInteger,  // integer / decimal
  kFlag,     // boolean / true, false
  kSpan,     // string / 90s, 10m, 1h, 7d (base/time.h)
  kSize,     // integer (bytes) or string / 512, 64KiB, 1MiB, 2GiB
  kPath,     // string / absolute path; empty only where the default is empty
};

// A further rule on a text, or on each element of a list. The error text completes the sentence
// "'key' …", such as "must be a host and port, not ':1'".
using OptionCheck = Result<void> (*)(std::string_view text);

struct Option {
  std::string key = {};  // "issuer", or "tpm.tcti" for tcti under [tpm]
  OptionKind kind = OptionKind::kText;
  // As text; nullopt: the option is required. "{other.key}" stands for the text of an option that
  // is earlier in the schema.
  std::optional<std::string> fallback = {};
  std::string doc = {};  // one line
  // Inclusive bounds: of the number (kInteger), bytes (kSize), milliseconds (kSpan), or the number
  // of elements (kList).
  int64_t min = 0;
  int64_t max = std::numeric_limits<int64_t>::max();
  std::vector<std::string> choices = {};  // kText: when not empty, nothing else is allowed
  OptionCheck check = nullptr;
  bool secret = false;  // its value appears in no dump and no error
};

using ConfigSchema = std::vector<Option>;

}  // namespace lodekey::platform
