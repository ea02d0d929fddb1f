// Aligned columns and times, for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace lodekey::cli {

using Row = std::vector<std::string>;
using Field = std::pair<std::string, std::string>;

// A header line and one line for each row, cells left-aligned two blanks apart; an empty cell is
// "-". Control characters are escaped. Rows may be shorter than the header, not longer.
std::string FormatTable(const Row& header, const std::vector<Row>& rows);

// "name:  value" lines with the values aligned; fields without a value are left out.
std::string FormatFields(const std::vector<Field>& fields);

// RFC 3339, or empty for 0.
std::string FormatUnixMs(int64_t unix_ms);

// The largest unit and its whole number: "3 days", "52 minutes", "1 hour". Negative spans count as
// 0.
std::string FormatRoughly(Duration duration);

// Runs of 24 and more hexadecimal digits cut to the first 8: "3f2a91c0…".
std::string AbbreviateHex(std::string_view text);

}  // namespace lodekey::cli
