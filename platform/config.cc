#include "platform/config.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <optional>
#include <set>

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
    ConfigValue value;
    std::string origin;
  };

  explicit Builder(const ConfigSchema& schema) : schema_(schema) {}

  void AddDocument(const ConfigDocument& document);
  void AddEnvironment(std::string_view prefix, const Override& variable);
  void AddCommandLine(const Override& setting);
  void AddDefaults();

  Result<void> Verdict() const;
  std::map<std::string, Found, std::less<>>& found() { return found_; }

 private:
  using Namer = std::function<std::string(std::string_view key)>;

  // The option that `name` names under `namer`, or a problem with a suggestion.
  const Option* FindOption(std::string_view name, const std::string& place, const Namer& namer);
  void Set(const Option& option, Result<ConfigValue> value, const std::string& place,
           std::string origin);
  // The default with its "{key}" replaced; nullopt when that key has no value.
  std::optional<std::string> Expand(std::string_view fallback) const;

  const ConfigSchema& schema_;
  std::map<std::string, Found, std::less<>> found_;
  std::set<std::string, std::less<>> mentioned_;  // set somewhere, well or not
  std::vector<std::string> problems_;
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
                  suggestion ? fmt::format("; did you mean '{}'?", *suggestion) : ""));
  return nullptr;
}

void Builder::Set(const Option& option, Result<ConfigValue> value, const std::string& place,
                  std::string origin) {
  mentioned_.insert(option.key);
  if (!value) {
    problems_.push_back(fmt::format("{}: '{}' {}", place, option.key, value.error().text));
    return;
  }
  found_.insert_or_assign(option.key, Found{std::move(*value), std::move(origin)});
}

void Builder::AddDocument(const ConfigDocument& document) {
  const auto entries = ParseToml(document.text);
  if (!entries) {
    problems_.push_back(fmt::format("{}:{}", document.name, entries.error().text));
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
  const std::string place = fmt::format("command line --{}", EscapeControl(setting.key));
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
  if (option == schema_.end() || found == found_.end()) return {};
  return fmt::format("{}{}{}", fallback.substr(0, open),
                     FormatConfigValue(*option, found->second.value), fallback.substr(close + 1));
}

void Builder::AddDefaults() {
  for (const Option& option : schema_) {
    if (mentioned_.contains(option.key)) continue;
    if (!option.fallback) {
      problems_.push_back(fmt::format("'{}' is required: {}", option.key, option.doc));
      continue;
    }
    const auto text = Expand(*option.fallback);
    if (text) Set(option, ParseConfigText(option, *text), "default", "default");
  }
}

Result<void> Builder::Verdict() const {
  if (problems_.empty()) return {};
  const size_t shown = std::min(problems_.size(), kProblemsShown);
  std::string text = fmt::format(
      "{}",
      fmt::join(problems_.begin(), problems_.begin() + static_cast<std::ptrdiff_t>(shown), "; "));
  if (shown < problems_.size()) text += fmt::format("; and {} more", problems_.size() - shown);
  return Fail(Code::kInvalidArgument, std::move(text), {.name = "config-invalid"});
}

}  // namespace

Result<Config> BuildConfig(const ConfigSchema& schema, const ConfigInputs& inputs) {
  Builder builder(schema);
  for (const ConfigDocument& document : inputs.documents) builder.AddDocument(document);
  for (const Override& variable : inputs.environment) {
    builder.AddEnvironment(inputs.environment_prefix, variable);
  }
  for (const Override& setting : inputs.command_line) builder.AddCommandLine(setting);
  builder.AddDefaults();
  RETURN_IF_ERROR(builder.Verdict(), "configuration");

  Config config;
  config.schema_ = schema;
  for (auto& [key, found] : builder.found()) {
    config.settings_.emplace(key, Config::Setting{std::move(found.value), std::move(found.origin)});
  }
  return config;
}

const Config::Setting& Config::Find(std::string_view key) const {
  const auto found = settings_.find(key);
  // A key our own code misspells: the first test that reads it ends here.
  if (found == settings_.end()) std::abort();
  return found->second;
}

const std::string& Config::Text(std::string_view key) const {
  return std::get<std::string>(Find(key).value);
}

const std::vector<std::string>& Config::List(std::string_view key) const {
  return std::get<std::vector<std::string>>(Find(key).value);
}

int64_t Config::Integer(std::string_view key) const { return std::get<int64_t>(Find(key).value); }

bool Config::Flag(std::string_view key) const { return std::get<bool>(Find(key).value); }

Duration Config::Span(std::string_view key) const {
  return Duration(std::get<int64_t>(Find(key).value));
}

uint64_t Config::Size(std::string_view key) const {
  return static_cast<uint64_t>(std::get<int64_t>(Find(key).value));
}

const std::string& Config::Origin(std::string_view key) const { return Find(key).origin; }

std::vector<Config::Row> Config::Dump() const {
  std::vector<Row> rows;
  for (const Option& option : schema_) {
    const Setting& setting = Find(option.key);
    rows.push_back({.key = option.key,
                    .value = option.secret ? "(hidden)" : FormatConfigValue(option, setting.value),
                    .origin = setting.origin,
                    .doc = option.doc});
  }
  return rows;
}

}  // namespace lodekey::platform
