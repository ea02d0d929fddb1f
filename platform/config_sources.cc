// LoadConfig: gathers what BuildConfig judges.
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "platform/config.h"
#include "platform/errno_error.h"
#include "platform/file.h"
#include "platform/toml_document.h"

namespace lodekey::platform {
namespace {

constexpr size_t kMostFiles = 64;

std::unexpected<Error> Unsafe(const std::string& path) {
  return Fail(Code::kDenied, fmt::format("'{}' may be written by everybody", path),
              {.name = "config-unsafe", .advice = fmt::format("Run: chmod o-w '{}'.", path)});
}

Result<ConfigDocument> ReadDocument(const std::string& path) {
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(path), "read the configuration");
  // Of the open file and not of the path, which may be exchanged meanwhile.
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0)
    return FailErrno(errno, fmt::format("cannot stat '{}'", path));
  if ((status.st_mode & S_IWOTH) != 0) return Unsafe(path);
  ASSIGN_OR_RETURN(const Bytes content, ReadToEnd(fd.get(), kTomlMaxBytes, path),
                   "read the configuration");
  return ConfigDocument{.name = path, .text = std::string(AsText(content))};
}

// The *.toml files of `directory` in name order; hidden ones are editors' leftovers.
Result<std::vector<std::string>> ListDropIns(const std::string& directory) {
  std::vector<std::string> paths;
  struct stat status = {};
  if (::stat(directory.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return paths;
    return FailErrno(errno, fmt::format("cannot read '{}'", directory));
  }
  if ((status.st_mode & S_IWOTH) != 0) return Unsafe(directory);
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.ends_with(".toml") && !name.starts_with('.')) paths.push_back(entry->path().string());
  }
  if (error) return FailErrno(error.value(), fmt::format("cannot read '{}'", directory));
  if (paths.size() > kMostFiles) {
    return Fail(Code::kInvalidArgument,
                fmt::format("'{}' has more than {} files", directory, kMostFiles),
                {.name = "config-invalid"});
  }
  std::ranges::sort(paths);
  return paths;
}

// The main file and its drop-ins, into `inputs`.
Result<void> ReadDocuments(const ConfigSources& sources, ConfigInputs& inputs) {
  if (sources.file.empty()) return {};
  auto main = ReadDocument(sources.file);
  const bool absent = !main && main.error().code == Code::kNotFound && !sources.file_required;
  if (!main && !absent) return std::unexpected(main.error());
  if (main) {
    inputs.documents.push_back(*std::move(main));
  } else {
    inputs.absent_file = sources.file;
  }

  const std::filesystem::path directory =
      std::filesystem::path(sources.file).parent_path() / "conf.d";
  ASSIGN_OR_RETURN(const auto drop_ins, ListDropIns(directory.string()), "read the configuration");
  for (const std::string& path : drop_ins) {
    auto document = ReadDocument(path);
    if (!document) return std::unexpected(document.error());
    inputs.documents.push_back(*std::move(document));
  }
  return {};
}

std::vector<Override> ReadEnvironment(const std::string& prefix) {
  std::vector<Override> found;
  if (prefix.empty()) return found;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (!text.starts_with(prefix) || equals == std::string_view::npos) continue;
    found.push_back(
        {.key = std::string(text.substr(0, equals)), .text = std::string(text.substr(equals + 1))});
  }
  std::ranges::sort(found, {}, &Override::key);
  return found;
}

}  // namespace

ConfigReading ReadConfig(const ConfigSchema& schema, const ConfigSources& sources) {
  ConfigInputs inputs{.environment_prefix = sources.environment_prefix,
                      .environment = ReadEnvironment(sources.environment_prefix),
                      .command_line = sources.command_line};
  const auto read = ReadDocuments(sources, inputs);
  if (read) return JudgeConfig(schema, inputs);
  inputs.documents.clear();
  if (sources.unreadable_is_absent && read.error().Name() == "file-permission") {
    return JudgeConfig(schema, inputs);
  }
  // Nothing is known but that the files cannot be used.
  Error problem = read.error();
  if (problem.Name().starts_with("file-")) {
    problem.name = "config-unreadable";
    problem.advice = "Correct the path, or let this user read a regular file there.";
  }
  return {.problem = std::move(problem)};
}

Result<Config> LoadConfig(const ConfigSchema& schema, const ConfigSources& sources) {
  ConfigReading reading = ReadConfig(schema, sources);
  if (reading.problem) return std::unexpected(*std::move(reading.problem));
  return std::move(reading.config);
}

}  // namespace lodekey::platform
