#include "cli/entry_file.h"

#include <unistd.h>

#include <fmt/format.h>

#include "cli/entry_json.h"
#include "platform/file.h"
#include "platform/line_reader.h"

namespace lodekey::cli {
namespace {

constexpr size_t kMaxLines = 100'000;
constexpr size_t kMaxBytes = size_t{64} << 20;
constexpr size_t kMaxProblems = 100;

std::unexpected<Error> TooLarge(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text),
              {.name = "entry-file-too-large",
               .advice = "Give one entry on each line, and a file in several parts."});
}

Result<EntryFile> ReadLines(int fd, const std::string& path) {
  EntryFile file;
  platform::LineReader reader(fd, path, kMaxEntryLine);
  size_t bytes = 0;
  std::string line;
  for (size_t number = 1; file.problems.size() < kMaxProblems; ++number) {
    ASSIGN_OR_RETURN(const bool more, reader.Next(line), "entries");
    if (!more) break;
    bytes += line.size() + 1;
    if (line.size() > kMaxEntryLine)
      return TooLarge(fmt::format("line {} is longer than {} bytes", number, kMaxEntryLine));
    if (number > kMaxLines || bytes > kMaxBytes)
      return TooLarge(fmt::format("more than {} lines or {} bytes", kMaxLines, kMaxBytes));
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    auto entry = ParseEntryJson(line);
    if (entry) {
      file.lines.push_back({.number = number, .entry = *std::move(entry)});
    } else {
      file.problems.push_back(std::move(entry.error()).Wrapped(fmt::format("line {}", number)));
    }
  }
  return file;
}

}  // namespace

Result<EntryFile> ReadEntryFile(const std::string& path) {
  if (path == "-") return ReadLines(STDIN_FILENO, "standard input");
  const auto fd = platform::OpenFile(path);
  if (!fd) return std::unexpected(fd.error());
  return ReadLines(fd->get(), path);
}

}  // namespace lodekey::cli
