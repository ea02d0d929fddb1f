#include "cli/entry_json.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "cli/json_watch.h"
#include "platform/suggestion.h"

namespace lodekey::cli {
namespace {

using attest::Entry;
// Its objects are sorted: looking up one of many keys stays cheap.
using Value = nlohmann::json;

constexpr int kMaxDepth = 2;  // an array or an object within the entry

std::unexpected<Error> Malformed(std::string text, std::string advice = "") {
  return Fail(Code::kInvalidArgument, std::move(text),
              {.name = "entry-malformed", .advice = std::move(advice)});
}

Result<void> ReadText(const Value& value, std::string& text) {
  if (!value.is_string()) return Malformed("must be a string");
  text = value.get<std::string>();
  return {};
}

Result<void> ReadTexts(const Value& value, std::vector<std::string>& texts) {
  if (!value.is_array()) return Malformed("must be an array of strings");
  for (const Value& element : value) {
    if (!element.is_string()) return Malformed("must be an array of strings");
    texts.push_back(element.get<std::string>());
  }
  return {};
}

Result<void> ReadLabels(const Value& value, attest::Labels& labels) {
  if (!value.is_object()) return Malformed("must be an object of strings");
  for (const auto& [name, label] : value.items()) {
    if (!label.is_string()) return Malformed("must be an object of strings");
    labels.emplace(name, label.get<std::string>());
  }
  return {};
}

Result<void> ReadSelectors(const Value& value, std::vector<attest::Selector>& selectors) {
  std::vector<std::string> texts;
  if (auto read = ReadTexts(value, texts); !read) return read;
  for (const std::string& text : texts) {
    auto selector = attest::ParseSelector(text);
    if (!selector)
      return Malformed(fmt::format("has {}: {}", Quoted(text), selector.error().text),
                       selector.error().advice);
    selectors.push_back(*std::move(selector));
  }
  return {};
}

Result<void> ReadDuration(const Value& value, Duration& duration) {
  const auto malformed = Malformed("must be a duration such as \"1h\"");
  if (!value.is_string()) return malformed;
  const auto read = ParseDuration(value.get<std::string>());
  if (!read) return malformed;
  duration = *read;
  return {};
}

Result<void> ReadTime(const Value& value, Time& time) {
  const auto malformed = Malformed("must be a time such as \"2026-01-31T09:30:00Z\"");
  if (!value.is_string()) return malformed;
  const auto read = ParseTime(value.get<std::string>());
  if (!read) return malformed;
  time = *read;
  return {};
}

Result<void> ReadFlag(const Value& value, bool& flag) {
  if (!value.is_boolean()) return Malformed("must be true or false");
  flag = value.get<bool>();
  return {};
}

Json SelectorsJson(const Entry& entry) {
  Json json = Json::array();
  for (const attest::Selector& selector : entry.selectors)
    json.push_back(attest::FormatSelector(selector));
  return json;
}

struct Field {
  std::string_view name;
  Json (*show)(const Entry&);
  Result<void> (*read)(const Value&, Entry&);
};

constexpr std::array kFields = {
    Field{"id", [](const Entry& e) { return JsonText(e.id); },
          [](const Value& value, Entry& e) { return ReadText(value, e.id); }},
    // What it was when somebody looked; the file says what is to be.
    Field{"revision", [](const Entry& e) { return JsonCount(e.revision); },
          [](const Value& value, Entry&) -> Result<void> {
            if (value.is_number_unsigned()) return {};
            return Malformed("must be a number");
          }},
    Field{"spiffe_id", [](const Entry& e) { return Json(e.spiffe_id); },
          [](const Value& value, Entry& e) { return ReadText(value, e.spiffe_id); }},
    Field{"nodes", [](const Entry& e) { return Json(e.scope.nodes); },
          [](const Value& value, Entry& e) { return ReadTexts(value, e.scope.nodes); }},
    Field{"node_labels", [](const Entry& e) { return Json(e.scope.labels); },
          [](const Value& value, Entry& e) { return ReadLabels(value, e.scope.labels); }},
    Field{"selectors", SelectorsJson,
          [](const Value& value, Entry& e) { return ReadSelectors(value, e.selectors); }},
    Field{"x509_svid_ttl", [](const Entry& e) { return Json(FormatDuration(e.x509_ttl)); },
          [](const Value& value, Entry& e) { return ReadDuration(value, e.x509_ttl); }},
    Field{"jwt_svid_ttl", [](const Entry& e) { return Json(FormatDuration(e.jwt_ttl)); },
          [](const Value& value, Entry& e) { return ReadDuration(value, e.jwt_ttl); }},
    Field{"dns_names", [](const Entry& e) { return Json(e.dns_names); },
          [](const Value& value, Entry& e) { return ReadTexts(value, e.dns_names); }},
    Field{"common_name", [](const Entry& e) { return JsonText(e.common_name); },
          [](const Value& value, Entry& e) { return ReadText(value, e.common_name); }},
    Field{"hint", [](const Entry& e) { return JsonText(e.hint); },
          [](const Value& value, Entry& e) { return ReadText(value, e.hint); }},
    Field{"jwt_audiences", [](const Entry& e) { return Json(e.jwt_audiences); },
          [](const Value& value, Entry& e) { return ReadTexts(value, e.jwt_audiences); }},
    Field{"owner", [](const Entry& e) { return JsonText(e.owner); },
          [](const Value& value, Entry& e) { return ReadText(value, e.owner); }},
    Field{"expires",
          [](const Entry& e) { return e.expires == Time() ? Json() : JsonTime(e.expires); },
          [](const Value& value, Entry& e) { return ReadTime(value, e.expires); }},
    Field{"prefetch", [](const Entry& e) { return Json(e.prefetch); },
          [](const Value& value, Entry& e) { return ReadFlag(value, e.prefetch); }},
};

std::unexpected<Error> UnknownKey(const std::string& name) {
  std::vector<std::string> known;
  known.reserve(kFields.size());
  for (const Field& field : kFields) known.emplace_back(field.name);
  const auto meant = platform::SuggestFor(name, known);
  return Malformed(fmt::format("unknown key {}{}", Quoted(name),
                               meant ? fmt::format(" (did you mean '{}'?)", *meant) : ""));
}

Result<Value> ParseObject(std::string_view text) {
  if (text.size() > kMaxEntryLine)
    return Malformed(fmt::format("longer than {} bytes", kMaxEntryLine));
  JsonWatch watch(kMaxDepth);
  try {
    Value value = Value::parse(text, std::ref(watch));
    if (!watch.problem().empty()) return Malformed(watch.problem());
    if (value.is_object()) return value;
  } catch (const Value::parse_error& problem) {
    return Malformed(fmt::format("no JSON from byte {} on", problem.byte),
                     "An entry is one JSON object on one line, as of: lodekey entry list -o json | "
                     "jq -c '.entries[]'");
  } catch (const Value::exception&) {
    return Malformed("no JSON: a number is too large");
  }
  return Malformed("no JSON object", "An entry begins with { and ends with }.");
}

}  // namespace

Json EntryJson(const Entry& entry) {
  Json json = Json::object();
  for (const Field& field : kFields) json[std::string(field.name)] = field.show(entry);
  return json;
}

Result<Entry> ParseEntryJson(std::string_view text) {
  const auto json = ParseObject(text);
  if (!json) return std::unexpected(json.error());
  Entry entry;
  for (const auto& [name, value] : json->items()) {
    const auto field = std::ranges::find(kFields, name, &Field::name);
    if (field == kFields.end()) return UnknownKey(name);
    if (value.is_null()) continue;
    RETURN_IF_ERROR(field->read(value, entry), field->name);
  }
  return entry;
}

}  // namespace lodekey::cli
