#include "cli/audit_export.h"

#include <fmt/format.h>

#include "cli/audit_filter.h"
#include "cli/audit_verify.h"
#include "cli/new_file.h"
#include "platform/file.h"
#include "platform/line_reader.h"

namespace lodekey::cli {
namespace {

using crypto::ChainHead;
using crypto::ChainLine;

// Every line in its order, until one is not as it should be, or `each` fails.
Result<void> ReadLines(
    const AuditSource& source, const ChainHead& after, uint64_t last,
    const std::function<Result<void>(std::string_view, const ChainLine&)>& each) {
  const auto fd = platform::OpenFile(source.path);
  if (!fd) return std::unexpected(fd.error());
  platform::LineReader reader(fd->get(), source.path, crypto::kMaxChainLine);
  crypto::ChainVerifier verifier(source.key, after);
  uint64_t seq = 0;
  for (std::string line; seq < last;) {
    ASSIGN_OR_RETURN(const bool more, reader.Next(line), "audit log");
    // A line without its end is being written.
    if (!more || reader.torn()) return {};
    if (++seq <= after.seq) continue;
    const auto checked = verifier.Next(line);
    if (!checked) return std::unexpected(checked.error());
    if (auto done = each(line, *checked); !done) return done;
  }
  return {};
}

bool Within(const std::string& record, std::optional<Time> since, std::optional<Time> until) {
  const Json json = Json::parse(record, nullptr, /*allow_exceptions=*/false);
  const auto time = json.is_object() ? TimeOf(json) : std::nullopt;
  return time && (!since || *time >= *since) && (!until || *time < *until);
}

}  // namespace

Result<AuditRange> FindAuditRange(const AuditSource& source, std::optional<Time> since,
                                  std::optional<Time> until) {
  AuditRange range;
  ChainHead before;
  auto read = ReadLines(source, {}, UINT64_MAX,
                        [&](std::string_view, const ChainLine& line) -> Result<void> {
                          if (Within(line.record, since, until)) {
                            if (range.last.seq == 0) range.after = before;
                            range.last = line.head;
                          }
                          before = line.head;
                          return {};
                        });
  if (!read) return std::unexpected(std::move(read.error()));
  if (range.last.seq != 0) return range;
  return Fail(Code::kNotFound, "the audit log has no record of that time",
              {.name = "audit-range-empty", .advice = "Look with: lodekey audit search"});
}

Result<void> WriteAuditRange(const AuditSource& source, const AuditRange& range,
                             const std::string& output,
                             const std::function<Result<void>(std::string_view line)>& each) {
  auto file = NewFile::Create(output);
  if (!file) return std::unexpected(std::move(file.error()));
  if (auto wrote = file->Write(FormatAuditRange(range)); !wrote) return wrote;
  ChainHead end = range.after;
  auto read = ReadLines(source, range.after, range.last.seq,
                        [&](std::string_view line, const ChainLine& checked) -> Result<void> {
                          end = checked.head;
                          if (auto wrote = file->Write(line); !wrote) return wrote;
                          if (auto wrote = file->Write("\n"); !wrote) return wrote;
                          return each(line);
                        });
  if (!read) return read;
  if (end != range.last) {
    return Fail(Code::kUntrusted, "the audit log was replaced while it was read",
                {.name = "audit-forked", .advice = "Check the log: lodekey audit verify"});
  }
  return file->Finish();
}

}  // namespace lodekey::cli
