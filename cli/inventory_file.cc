#include "cli/inventory_file.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/csv.h"
#include "cli/json_watch.h"

namespace lodekey::cli {
namespace {

using Value = nlohmann::json;

constexpr size_t kMaxProblems = 100;
constexpr int kMaxDepth = 3;  // a label of a host in the array
constexpr std::string_view kHashColumn = "ek_hash";
constexpr std::string_view kLabelsColumn = "labels";

std::unexpected<Error> Malformed(std::string text, std::string advice = "") {
  return Fail(Code::kInvalidArgument, std::move(text),
              {.name = "inventory-malformed", .advice = std::move(advice)});
}

Result<void> SetLabel(InventoryLine& line, const std::string& name, const std::string& value) {
  if (name.empty()) return Malformed("a label has no name");
  if (line.labels.emplace(name, value).second) return {};
  return Malformed(fmt::format("label {} is given twice", Quoted(name)));
}

// "group=edge,rack=7"
Result<void> SetLabels(InventoryLine& line, std::string_view text) {
  while (!text.empty()) {
    const std::string_view label = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), label.size() + 1));
    const size_t equals = label.find('=');
    if (equals == label.npos)
      return Malformed(fmt::format("{} is not of the form NAME=VALUE", Quoted(label)));
    if (auto set = SetLabel(line, std::string(label.substr(0, equals)),
                            std::string(label.substr(equals + 1)));
        !set)
      return set;
  }
  return {};
}

Result<InventoryLine> ReadRecord(const CsvRecord& header, const CsvRecord& record) {
  InventoryLine line{.place = std::to_string(record.line), .ek_hash = {}, .labels = {}};
  for (size_t column = 0; column < header.fields.size(); ++column) {
    const std::string& name = header.fields[column];
    const std::string& field = record.fields[column];
    if (name == kHashColumn) {
      line.ek_hash = field;
      continue;
    }
    auto set = name == kLabelsColumn ? SetLabels(line, field) : SetLabel(line, name, field);
    if (!set) return std::unexpected(std::move(set.error()));
  }
  return line;
}

Result<InventoryLine> ReadObject(const Value& object, size_t number) {
  InventoryLine line{.place = fmt::format("row {}", number), .ek_hash = {}, .labels = {}};
  if (!object.is_object()) return Malformed("must be an object");
  for (const auto& [name, value] : object.items()) {
    if (name == kLabelsColumn && value.is_object()) {
      for (const auto& [label, text] : value.items()) {
        if (!text.is_string()) return Malformed("'labels' must be an object of strings");
        if (auto set = SetLabel(line, label, text.get<std::string>()); !set)
          return std::unexpected(std::move(set.error()));
      }
      continue;
    }
    if (name != kHashColumn && name != "owner" && name != "site")
      return Malformed(fmt::format("unknown key {}", Quoted(name)),
                       "A host has 'ek_hash', 'owner', 'site' and 'labels', an object of strings.");
    if (!value.is_string()) return Malformed(fmt::format("'{}' must be a string", name));
    if (name == kHashColumn) {
      line.ek_hash = value.get<std::string>();
    } else if (auto set = SetLabel(line, name, value.get<std::string>()); !set) {
      return std::unexpected(std::move(set.error()));
    }
  }
  return line;
}

// Keeps a line that can be read, or why it cannot, with its place.
void Keep(InventoryList& list, Result<InventoryLine> line, std::string_view place) {
  if (line) {
    list.lines.push_back(*std::move(line));
  } else if (list.problems.size() < kMaxProblems) {
    list.problems.push_back(std::move(line.error()).Wrapped(std::string(place)));
  }
}

Result<InventoryList> ParseTable(std::string_view text) {
  auto table = ParseCsv(text, {.records = kMaxInventoryRows});
  if (!table) return std::unexpected(std::move(table.error()));
  if (std::ranges::find(table->header.fields, kHashColumn) == table->header.fields.end()) {
    return Malformed(fmt::format("{}: the header has no column 'ek_hash'", table->header.line),
                     "The first line names the columns: ek_hash,owner,site");
  }
  InventoryList list;
  for (const CsvRecord& record : table->records)
    Keep(list, ReadRecord(table->header, record), std::to_string(record.line));
  return list;
}

// "17:3", of the byte before which parsing ended.
std::string PlaceOf(std::string_view text, size_t byte) {
  const std::string_view before = text.substr(0, byte == 0 ? 0 : std::min(byte - 1, text.size()));
  const auto line = 1 + std::ranges::count(before, '\n');
  const size_t begin = before.rfind('\n');
  return fmt::format("{}:{}", line, 1 + before.size() - (begin == before.npos ? 0 : begin + 1));
}

Result<Value> ParseArray(std::string_view text) {
  JsonWatch watch(kMaxDepth);
  try {
    Value value = Value::parse(text, std::ref(watch));
    if (!watch.problem().empty()) return Malformed(watch.problem());
    if (value.is_array()) return value;
  } catch (const Value::parse_error& problem) {
    return Malformed(fmt::format("{}: no JSON from here on", PlaceOf(text, problem.byte)));
  } catch (const Value::exception&) {
    return Malformed("no JSON: a number is too large");
  }
  return Malformed("no array of hosts");
}

Result<InventoryList> ParseObjects(std::string_view text) {
  const auto array = ParseArray(text);
  if (!array) return std::unexpected(array.error());
  if (array->size() > kMaxInventoryRows)
    return Malformed(fmt::format("more than {} hosts", kMaxInventoryRows),
                     "Import them in several parts.");
  InventoryList list;
  size_t number = 0;
  for (const Value& object : *array) {
    ++number;
    Keep(list, ReadObject(object, number), fmt::format("row {}", number));
  }
  return list;
}

}  // namespace

Result<InventoryList> ParseInventory(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  std::string_view content = text;
  if (content.starts_with(kByteOrderMark)) content.remove_prefix(kByteOrderMark.size());
  const size_t first = content.find_first_not_of(" \t\r\n");
  if (first != content.npos && content[first] == '[') return ParseObjects(content);
  return ParseTable(content);
}

}  // namespace lodekey::cli
