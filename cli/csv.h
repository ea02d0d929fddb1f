// Comma-separated values as RFC 4180 has them: a header, then records of as many fields. Strict:
// what could be read in two ways is an error with its place. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lodekey::cli {

struct CsvLimits {
  size_t records = 10'000;
  size_t columns = 64;
  size_t field = 4096;  // bytes
};

struct CsvRecord {
  size_t line = 0;  // where it begins, from 1
  std::vector<std::string> fields;
};

struct CsvTable {
  CsvRecord header;
  std::vector<CsvRecord> records;
};

// Lines end with CRLF or LF; a byte order mark at the beginning and empty lines are passed over.
// kInvalidArgument ("csv-malformed"), its text begins with "LINE:COLUMN: ", the column counted in
// bytes from 1: a quote within a field that does not begin with one, or text behind the one that
// ends it; a field without its end; a field that is no printable UTF-8; another number of fields
// than the header has; a header that is missing, or names a column twice or not at all; more than
// `limits` say.
Result<CsvTable> ParseCsv(std::string_view text, const CsvLimits& limits = {});

}  // namespace lodekey::cli
