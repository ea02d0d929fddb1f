#include "cli/entry_view.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/entry_json.h"
#include "cli/labels.h"
#include "cli/node_view.h"
#include "cli/text.h"
#include "platform/escape.h"

namespace lodekey::cli {
namespace {

using attest::Entry;

constexpr size_t kShownNodes = 2;

std::string Joined(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

std::string SelectorsText(const Entry& entry) {
  std::vector<std::string> texts;
  texts.reserve(entry.selectors.size());
  for (const attest::Selector& selector : entry.selectors)
    texts.push_back(attest::FormatSelector(selector));
  return Joined(texts);
}

// "4aff0762c1d3e5f7, site=berlin": an entry may name a thousand nodes.
std::string ScopeText(const Entry& entry) {
  std::vector<std::string> texts;
  for (const std::string& node : entry.scope.nodes) {
    if (texts.size() == kShownNodes) break;
    texts.push_back(ShortNodeId(node));
  }
  if (entry.scope.nodes.size() > kShownNodes)
    texts.push_back(fmt::format("{} more", entry.scope.nodes.size() - kShownNodes));
  if (!entry.scope.labels.empty()) texts.push_back(FormatLabels(entry.scope.labels));
  return Joined(texts);
}

std::string ExpiresText(const Entry& entry) {
  return entry.expires == Time() ? "" : FormatTime(entry.expires);
}

// One line for each value that a field has; none for what is not set.
std::vector<std::string> ValuesOf(const Json& field) {
  std::vector<std::string> values;
  if (field.is_string()) values.push_back(field.get<std::string>());
  if (field.is_boolean() && field.get<bool>()) values.emplace_back("true");
  if (field.is_array())
    for (const Json& element : field) values.push_back(element.get<std::string>());
  if (field.is_object())
    for (const auto& [name, value] : field.items())
      values.push_back(name + "=" + value.get<std::string>());
  return values;
}

std::string MarkedLines(char mark, const std::string& name, const std::vector<std::string>& values,
                        const std::vector<std::string>& not_in) {
  std::string text;
  for (const std::string& value : values) {
    if (std::ranges::find(not_in, value) != not_in.end()) continue;
    text += fmt::format("  {} {}: {}\n", mark, name, platform::EscapeControl(value));
  }
  return text;
}

std::string FieldDiff(const std::string& name, const std::vector<std::string>& before,
                      const std::vector<std::string>& after) {
  std::string text = MarkedLines('-', name, before, after) + MarkedLines('+', name, after, before);
  if (!text.empty() || before == after) return text;
  // The same values in another order.
  return MarkedLines('-', name, before, {}) + MarkedLines('+', name, after, {});
}

std::string DiffText(const EntryOutcome& outcome) {
  const Json before = outcome.before ? EntryJson(*outcome.before) : Json::object();
  const Json after = outcome.after ? EntryJson(*outcome.after) : Json::object();
  std::string text;
  for (const auto& field : (after.empty() ? before : after).items()) {
    const std::string& name = field.key();
    if (name == "id" || name == "revision") continue;
    text +=
        FieldDiff(name, ValuesOf(before.value(name, Json())), ValuesOf(after.value(name, Json())));
  }
  return text;
}

std::string Named(const Entry& entry) {
  const std::string id = entry.id.empty() ? "an entry" : "entry " + entry.id;
  return platform::EscapeControl(fmt::format("{} ({})", id, entry.spiffe_id));
}

std::string Sentence(const EntryOutcome& outcome, bool dry_run) {
  const auto say = [dry_run](std::string_view done, std::string_view would, const Entry& entry) {
    return fmt::format("{} {}\n", dry_run ? would : done, Named(entry));
  };
  if (outcome.after && !outcome.changed)
    return fmt::format("Nothing to change in {}.\n", Named(*outcome.after));
  if (outcome.after && outcome.before) return say("Updated", "Would update", *outcome.after);
  if (outcome.after) return say("Created", "Would create", *outcome.after);
  if (outcome.before) return say("Deleted", "Would delete", *outcome.before);
  return "There is no such entry; nothing to delete.\n";
}

std::string_view ChangeName(const EntryOutcome& outcome) {
  if (!outcome.changed) return "none";
  if (!outcome.before) return "created";
  return outcome.after ? "updated" : "deleted";
}

}  // namespace

std::string EntryListText(const std::vector<Entry>& entries) {
  if (entries.empty()) return "No entry.\n";
  std::vector<Row> rows;
  rows.reserve(entries.size());
  for (const Entry& entry : entries) {
    rows.push_back(
        {entry.id, entry.spiffe_id, SelectorsText(entry), ScopeText(entry), ExpiresText(entry)});
  }
  return FormatTable({"ENTRY", "SPIFFE ID", "SELECTORS", "NODES", "EXPIRES"}, rows);
}

std::string EntryText(const Entry& entry, Time now) {
  const std::string ended = attest::HasExpired(entry, now)
                                ? "Nobody gets this identity any more: the entry has ended.\n\n"
                                : "";
  return ended + FormatFields({
                     {"id", entry.id},
                     {"revision", std::to_string(entry.revision)},
                     {"identity", entry.spiffe_id},
                     {"nodes", Joined(entry.scope.nodes)},
                     {"node labels", FormatLabels(entry.scope.labels)},
                     {"selectors", SelectorsText(entry)},
                     {"X.509 TTL", FormatDuration(entry.x509_ttl)},
                     {"JWT TTL", FormatDuration(entry.jwt_ttl)},
                     {"JWT audiences", Joined(entry.jwt_audiences)},
                     {"DNS names", Joined(entry.dns_names)},
                     {"common name", entry.common_name},
                     {"hint", entry.hint},
                     {"owner", entry.owner},
                     {"expires", ExpiresText(entry)},
                     {"prefetch", entry.prefetch ? "yes" : ""},
                 });
}

std::string OutcomeText(const EntryOutcome& outcome, bool dry_run, bool diff) {
  return Sentence(outcome, dry_run) + (diff ? DiffText(outcome) : "");
}

Json OutcomeJson(const EntryOutcome& outcome) {
  const auto json = [](const std::optional<Entry>& entry) {
    return entry ? EntryJson(*entry) : Json();
  };
  return {{"change", ChangeName(outcome)},
          {"before", json(outcome.before)},
          {"after", json(outcome.after)}};
}

}  // namespace lodekey::cli
