// A list of hosts for the issuer's inventory: CSV or JSON (docs/cli.md). Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lodekey::cli {

inline constexpr size_t kMaxInventoryRows = 10'000;
inline constexpr size_t kMaxInventoryBytes = size_t{16} << 20;

struct InventoryLine {
  std::string place;  // "17" (the line of a CSV file) or "row 3" (of a JSON array)
  std::string ek_hash;
  std::map<std::string, std::string> labels;
};

struct InventoryList {
  std::vector<InventoryLine> lines;
  std::vector<Error> problems;  // of rows that are none; at most 100
};

// JSON when its first character is [, else CSV. CSV has a column "ek_hash", may have one "labels"
// ("group=edge,rack=7"), and each other column is a label of its name; an empty field takes the
// label away. JSON is an array of objects with "ek_hash", "owner", "site" and "labels" (an object).
// kInvalidArgument ("csv-malformed", "inventory-malformed"): the text begins with the place.
Result<InventoryList> ParseInventory(std::string_view text);

}  // namespace lodekey::cli
