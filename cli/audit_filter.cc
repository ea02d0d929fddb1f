#include "cli/audit_filter.h"

#include <algorithm>

#include <fmt/format.h>

namespace lodekey::cli {
namespace {

std::string TextAt(const Json& object, std::string_view name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  return found == object.end() || !found->is_string() ? "" : found->get<std::string>();
}

// Of the rules that failed, and the reasons that the policy gave.
std::vector<std::string> CodesOf(const Json& record) {
  std::vector<std::string> codes;
  const auto add = [&](const Json& list) {
    for (const Json& item : list.is_array() ? list : Json::array())
      codes.push_back(item.is_string() ? item.get<std::string>() : TextAt(item, "code"));
  };
  if (record.contains("failed")) add(record["failed"]);
  if (record.contains("policy") && record["policy"].is_object() &&
      record["policy"].contains("reasons"))
    add(record["policy"]["reasons"]);
  return codes;
}

bool Among(const std::vector<std::string>& wanted, const std::string& text) {
  return wanted.empty() || std::ranges::find(wanted, text) != wanted.end();
}

bool AnyWithin(const std::vector<std::string>& wanted, std::string_view line) {
  return wanted.empty() || std::ranges::any_of(wanted, [&](const std::string& text) {
           return line.find(text) != line.npos;
         });
}

}  // namespace

Result<Json> RecordOf(std::string_view line) {
  Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (json.is_object() && json.contains("record") && json["record"].is_object())
    return std::move(json["record"]);
  return Fail(Code::kInvalidArgument, "a line is none of an audit log",
              {.name = "audit-line-malformed", .advice = "Check the log: lodekey audit verify"});
}

std::optional<Time> TimeOf(const Json& record) {
  const auto time = ParseTime(TextAt(record, "time"));
  return time ? std::optional(*time) : std::nullopt;
}

// Ids, events and codes are ASCII without escapes: as they are given, they stand in the line.
bool MayMatch(const AuditFilter& filter, std::string_view line) {
  return line.find(filter.node) != line.npos && line.find(filter.entry) != line.npos &&
         AnyWithin(filter.events, line) && AnyWithin(filter.codes, line);
}

bool Matches(const AuditFilter& filter, const Json& record) {
  if (!TextAt(record, "node").starts_with(filter.node)) return false;
  if (!TextAt(record, "entry").starts_with(filter.entry)) return false;
  if (!filter.actor.empty() && TextAt(record, "actor") != filter.actor) return false;
  if (!Among(filter.events, TextAt(record, "event"))) return false;
  if (!filter.codes.empty() && std::ranges::none_of(CodesOf(record), [&](const std::string& code) {
        return Among(filter.codes, code);
      }))
    return false;
  if (!filter.since && !filter.until) return true;
  const auto time = TimeOf(record);
  return time && (!filter.since || *time >= *filter.since) &&
         (!filter.until || *time < *filter.until);
}

std::string InputOf(const Json& record) {
  const auto policy = record.find("policy");
  return policy == record.end() ? "" : TextAt(*policy, "input");
}

std::string WhatOf(const Json& record) {
  std::string what;
  const auto add = [&](const std::string& text) {
    if (!text.empty()) what += fmt::format("{}{}", what.empty() ? "" : ", ", text);
  };
  add(TextAt(record, "kind"));
  add(TextAt(record, "spiffe_id"));
  for (const std::string& code : CodesOf(record)) add(code);
  add(TextAt(record, "detail"));
  if (const auto policy = record.find("policy"); policy != record.end())
    add(TextAt(*policy, "rule"));
  if (const std::string actor = TextAt(record, "actor"); !actor.empty()) add("by " + actor);
  return what;
}

}  // namespace lodekey::cli
