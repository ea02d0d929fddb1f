#include "platform/config.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "platform/escape.h"
#include "platform/suggestion.h"
#include "platform/toml_document.h"

namespace lodekey::platform {
namespace {

constexpr size_t kProblemsShown = 20;

// LODEKEY_AGENT_TPM_TCTI for "tpm.tcti".
std::string VariableFor(std::string_view prefix, std::string_view key) {
  std::string name(prefix);
  for (const char c : key) {
    name += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name;
}

// Collects settings in the order of precedence, and every problem on the way.
class Builder {
 public:
  struct Found {
    std::optional<ConfigValue> value;  // nullopt: it is wrong
    std::string origin;
  };

  Builder(const ConfigSchema& schema, std::string absent_file)
      : schema_(schema), absent_file_(std::move(absent_file)) {}

  void AddDocument(const ConfigDocument& document);
  void AddEnvironment(std::string_view prefix, const Override& variable);
  void AddCommandLine(const Override& setting);
  void AddDefaults();

  std::optional<Error> Problem() const;
  bool IncompleteAlone() const { return problems_.empty() && !missing_.empty(); }
  std::map<std::string, Found, std::less<>>& found() { return found_; }

 private:
  using Namer = std::function<std::string(std::string_view key)>;

  // The option that `name` names under `namer`, or a problem with a suggestion.
  const Option* FindOption(std::string_view name, const std::string& place, const Namer& namer);
  void Set(const Option& option, Result<ConfigValue> value, const std::string& place,
           std::string origin);
  // The default with its "{key}" replaced; nullopt when that key has no value.
  std::optional<std::string> Expand(std::string_view fallback) const;
  // What to write where there is no file at all.
  std::string AdviceForAbsentFile() const;

  const ConfigSchema& schema_;
  const std::string absent_file_;
  bool unread_ = false;  // a document could not be parsed: nobody knows what it sets
  std::map<std::string, Found, std::less<>> found_;
  std::vector<std::string> problems_;
  std::vector<const Option*> missing_;
};

const Option* Builder::FindOption(std::string_view name, const std::string& place,
                                  const Namer& namer) {
  std::vector<std::string> names;
  for (const Option& option : schema_) {
    names.push_back(namer(option.key));
    if (names.back() == name) return &option;
  }
  // A document of nothing but unknown keys must not cost a comparison each.
  const bool shown = problems_.size() < kProblemsShown;
  const auto suggestion = shown ? SuggestFor(name, names) : std::nullopt;
  problems_.push_back(
      fmt::format("{}: unknown key '{}'{}", place, EscapeControl(name.substr(0, 128)),
                  suggestion ? fmt::format(" (did you mean '{}'?)", *suggestion) : ""));
  return nullptr;
}

void Builder::Set(const Option& option, Result<ConfigValue> value, const std::string& place,
                  std::string origin) {
  Found& found = found_[option.key];
  found = {.value = {}, .origin = std::move(origin)};
  if (value) {
    found.value = *std::move(value);
  } else {
    problems_.push_back(fmt::format("{}: '{}' {}", place, option.key, value.error().text));
  }
}

void Builder::AddDocument(const ConfigDocument& document) {
  const auto entries = ParseToml(document.text);
  if (!entries) {
    problems_.push_back(fmt::format("{}:{}", document.name, entries.error().text));
    unread_ = true;
    return;
  }
  for (const TomlEntry& entry : *entries) {
    const std::string place = fmt::format("{}:{}:{}", document.name, entry.line, entry.column);
    const Option* option =
        FindOption(entry.key, place, [](std::string_view key) { return std::string(key); });
    if (option == nullptr) continue;
    Set(*option, ParseConfigRaw(*option, entry.value), place,
        fmt::format("{}:{}", document.name, entry.line));
  }
}

void Builder::AddEnvironment(std::string_view prefix, const Override& variable) {
  const std::string place = fmt::format("environment {}", EscapeControl(variable.key));
  const Option* option = FindOption(variable.key, "environment",
                                    [&](std::string_view key) { return VariableFor(prefix, key); });
  if (option != nullptr) Set(*option, ParseConfigText(*option, variable.text), place, place);
}

void Builder::AddCommandLine(const Override& setting) {
  const std::string place = fmt::format("command line --set {}", EscapeControl(setting.key));
  const Option* option = FindOption(setting.key, "command line",
                                    [](std::string_view key) { return std::string(key); });
  if (option != nullptr) Set(*option, ParseConfigText(*option, setting.text), place, place);
}

std::optional<std::string> Builder::Expand(std::string_view fallback) const {
  const size_t open = fallback.find('{');
  const size_t close = fallback.find('}');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return std::string(fallback);
  }
  const std::string_view key = fallback.substr(open + 1, close - open - 1);
  const auto option = std::ranges::find(schema_, key, &Option::key);
  const auto found = found_.find(key);
  if (option == schema_.end() || found == found_.end() || !found->second.value) return {};
  return fmt::format("{}{}{}", fallback.substr(0, open),
                     FormatConfigValue(*option, *found->second.value), fallback.substr(close + 1));
}

void Builder::AddDefaults() {
  if (unread_) return;
  for (const Option& option : schema_) {
    if (found_.contains(option.key)) continue;
    if (!option.fallback) {
      missing_.push_back(&option);
      continue;
    }
    const auto text = Expand(*option.fallback);
    if (text) {
      Set(option, ParseConfigText(option, *text), "default", "default");
    } else {
      found_[option.key].origin = "default";  // as wrong as what it follows
    }
  }
}

std::string Builder::AdviceForAbsentFile() const {
  std::vector<std::string> lines;
  for (const Option* option : missing_) {
    const std::string_view value = option->kind == OptionKind::kList ? "[\"…\"]" : "\"…\"";
    lines.push_back(fmt::format("{} = {}", option->key, value));
  }
  return fmt::format("Write {}, with a line for each of: {}", absent_file_, fmt::join(lines, ", "));
}

std::optional<Error> Builder::Problem() const {
  const bool no_file = !absent_file_.empty() && !missing_.empty();
  std::vector<std::string> problems;
  if (no_file) problems.push_back(fmt::format("there is no '{}'", absent_file_));
  problems.insert(problems.end(), problems_.begin(), problems_.end());
  for (const Option* option : missing_) {
    problems.push_back(fmt::format("'{}' is required: {}", option->key, option->doc));
  }
  if (problems.empty()) return {};
  const size_t count = problems.size();
  problems.resize(std::min(count, kProblemsShown));
  if (count > kProblemsShown)
    problems.push_back(fmt::format("and {} more", count - kProblemsShown));
  return Error{.code = Code::kInvalidArgument,
               .text = fmt::format("configuration: {}", fmt::join(problems, "; ")),
               .name = "config-invalid",
               .advice = no_file ? AdviceForAbsentFile() : ""};
}

}  // namespace

ConfigReading JudgeConfig(const ConfigSchema& schema, const ConfigInputs& inputs) {
  Builder builder(schema, inputs.absent_file);
  for (const ConfigDocument& document : inputs.documents) builder.AddDocument(document);
  for (const Override& variable : inputs.environment) {
    builder.AddEnvironment(inputs.environment_prefix, variable);
  }
  for (const Override& setting : inputs.command_line) builder.AddCommandLine(setting);
  builder.AddDefaults();

  ConfigReading reading{.problem = builder.Problem(),
                        .incomplete_alone = builder.IncompleteAlone()};
  reading.config.schema_ = schema;
  for (auto& [key, found] : builder.found()) {
    reading.config.settings_.emplace(
        key, Config::Setting{std::move(found.value), std::move(found.origin)});
  }
  return reading;
}

Result<Config> BuildConfig(const ConfigSchema& schema, const ConfigInputs& inputs) {
  ConfigReading reading = JudgeConfig(schema, inputs);
  if (reading.problem) return std::unexpected(*std::move(reading.problem));
  return std::move(reading.config);
}

bool Config::Has(std::string_view key) const {
  const auto found = settings_.find(key);
  return found != settings_.end() && found->second.value;
}

const Config::Setting& Config::Find(std::string_view key) const {
  const auto found = settings_.find(key);
  // A key our own code misspells: the first test that reads it ends here.
  if (found == settings_.end()) std::abort();
  return found->second;
}

const ConfigValue& Config::Value(std::string_view key) const {
  const Setting& setting = Find(key);
  if (!setting.value) std::abort();
  return *setting.value;
}

const std::string& Config::Text(std::string_view key) const {
  return std::get<std::string>(Value(key));
}

const std::vector<std::string>& Config::List(std::string_view key) const {
  return std::get<std::vector<std::string>>(Value(key));
}

int64_t Config::Integer(std::string_view key) const { return std::get<int64_t>(Value(key)); }

bool Config::Flag(std::string_view key) const { return std::get<bool>(Value(key)); }

Duration Config::Span(std::string_view key) const {
  return Duration(std::get<int64_t>(Value(key)));
}

uint64_t Config::Size(std::string_view key) const {
  return static_cast<uint64_t>(std::get<int64_t>(Value(key)));
}

const std::string& Config::Origin(std::string_view key) const { return Find(key).origin; }

std::vector<Config::Row> Config::Dump() const {
  std::vector<Row> rows;
  for (const Option& option : schema_) {
    const auto found = settings_.find(option.key);
    Row& row = rows.emplace_back(
        Row{.key = option.key, .doc = option.doc, .is_list = option.kind == OptionKind::kList});
    if (found == settings_.end()) continue;
    row.origin = found->second.origin;
    if (!found->second.value) continue;
    row.value = option.secret ? "(hidden)" : FormatConfigValue(option, *found->second.value);
  }
  return rows;
}

}  // namespace lodekey::platform
