// A selector: one fact about a process that an entry may ask for, in the words SPIRE users know:
// "unix:uid:1000".
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "attest/verdict.h"
#include "base/result.h"

namespace lodekey::attest {

inline constexpr size_t kMaxSelectorSize = 1024;  // bytes of its text

struct Selector {
  std::string type;   // the attestor: "unix"
  std::string name;   // "uid"
  std::string value;  // "1000"
  auto operator<=>(const Selector&) const = default;
};

struct GradedSelector {
  Selector selector;
  Grade grade = Grade::kObserved;
  auto operator<=>(const GradedSelector&) const = default;
};

// From "type:name:value"; the value may hold colons. An unknown type or name is refused, so that a
// slip of the pen is no entry that never matches; so is a value that the attestor would never
// give (a uid that is no number, a digest of another length). kInvalidArgument
// ("selector-invalid").
Result<Selector> ParseSelector(std::string_view text);

std::string FormatSelector(const Selector& selector);

// Whether it says on whose behalf the process runs. Selectors of the executable do not: any user
// may run any file, so they narrow an entry and never make one.
bool Separates(const Selector& selector);

}  // namespace lodekey::attest
