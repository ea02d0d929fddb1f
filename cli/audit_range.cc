#include "cli/audit_range.h"

#include <algorithm>

#include "base/hex.h"
#include "cli/json.h"

namespace lodekey::cli {
namespace {

using crypto::ChainHead;

constexpr std::string_view kBegin = R"({"audit_export":1,)";

Json HeadJson(const ChainHead& head) { return {{"seq", head.seq}, {"hash", ToHex(head.hash)}}; }

std::optional<ChainHead> ReadHead(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_object()) return std::nullopt;
  const auto seq = found->find("seq");
  const auto hash = found->find("hash");
  if (seq == found->end() || !seq->is_number_unsigned() || hash == found->end() ||
      !hash->is_string())
    return std::nullopt;
  ChainHead head{.seq = seq->get<uint64_t>()};
  const auto bytes = ParseHex(hash->get<std::string>(), head.hash.size());
  if (!bytes || bytes->size() != head.hash.size()) return std::nullopt;
  std::ranges::copy(*bytes, head.hash.begin());
  return head;
}

}  // namespace

std::string FormatAuditRange(const AuditRange& range) {
  const Json json = {
      {"audit_export", 1}, {"after", HeadJson(range.after)}, {"last", HeadJson(range.last)}};
  return json.dump() + "\n";
}

Result<std::optional<AuditRange>> ParseAuditRange(std::string_view line) {
  if (!line.starts_with(kBegin)) return std::optional<AuditRange>();
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  const auto after = ReadHead(json, "after");
  const auto last = ReadHead(json, "last");
  if (after && last && after->seq < last->seq)
    return std::optional(AuditRange{.after = *after, .last = *last});
  return Fail(
      Code::kInvalidArgument, "the first line does not say which part of a log follows",
      {.name = "audit-line-malformed", .advice = "Export that part again: lodekey audit export"});
}

}  // namespace lodekey::cli
