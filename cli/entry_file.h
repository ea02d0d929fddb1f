// A file of entries to import: one JSON object (cli/entry_json.h) on each line.
#pragma once

#include <string>
#include <vector>

#include "attest/entry.h"
#include "base/result.h"

namespace lodekey::cli {

struct EntryLine {
  size_t number = 0;  // from 1
  attest::Entry entry;
};

struct EntryFile {
  std::vector<EntryLine> lines;
  std::vector<Error> problems;  // of lines that are no entry; each names its line
};

// "-" is standard input. Empty lines are passed over. Stops at the hundredth problem. Fails beyond
// 100,000 lines, 64 MiB, or with a line longer than kMaxEntryLine ("entry-file-too-large").
Result<EntryFile> ReadEntryFile(const std::string& path);

}  // namespace lodekey::cli
