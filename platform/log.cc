#include "platform/log.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "platform/clock.h"
#include "platform/escape.h"

namespace lodekey::platform {
namespace {

struct LevelRow {
  LogLevel level;
  std::string_view name;
  int priority;  // syslog(3)
  spdlog::level::level_enum spdlog_level;
};

constexpr std::array<LevelRow, 4> kLevels = {{
    {LogLevel::kDebug, "debug", 7, spdlog::level::debug},
    {LogLevel::kInfo, "info", 6, spdlog::level::info},
    {LogLevel::kWarning, "warning", 4, spdlog::level::warn},
    {LogLevel::kError, "error", 3, spdlog::level::err},
}};

const LevelRow& RowOf(LogLevel level) { return kLevels.at(static_cast<size_t>(level)); }

LogLevel LevelOf(spdlog::level::level_enum level) {
  if (level >= spdlog::level::err) return LogLevel::kError;
  if (level == spdlog::level::warn) return LogLevel::kWarning;
  return level == spdlog::level::info ? LogLevel::kInfo : LogLevel::kDebug;
}

// One write(2) per line, so that lines of several processes do not interleave.
class StderrSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit StderrSink(LogStyle style) : style_(style) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string line =
        FormatLogLine(style_, LevelOf(message.level), std::chrono::floor<Duration>(message.time),
                      std::string_view(message.payload.data(), message.payload.size())) +
        '\n';
    // A log that nobody reads must not stop the daemon.
    [[maybe_unused]] const ssize_t wrote = ::write(STDERR_FILENO, line.data(), line.size());
  }
  void flush_() override {}

  LogStyle style_;
};

LogStyle current_style = LogStyle::kHuman;  // set by InitLog before threads start

bool IsPlain(std::string_view value) {
  return !value.empty() && value.find_first_of(" \"\\=") == std::string_view::npos;
}

std::string Quote(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string JournalName(std::string_view key) {
  std::string name = "LODEKEY_";
  for (const char c : key) {
    name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name;
}

// False when journald did not take it.
bool SendToJournal(LogLevel level, std::string_view line, std::span<const LogField> fields,
                   std::string_view message_id) {
  std::vector<std::string> entries = {fmt::format("MESSAGE={}", EscapeControl(line)),
                                      fmt::format("PRIORITY={}", RowOf(level).priority)};
  if (!message_id.empty()) entries.push_back(fmt::format("MESSAGE_ID={}", message_id));
  for (const LogField& field : fields) {
    entries.push_back(fmt::format("{}={}", JournalName(field.key), EscapeControl(field.value)));
  }
  std::vector<iovec> parts;
  parts.reserve(entries.size());
  for (std::string& entry : entries) {
    parts.push_back({.iov_base = entry.data(), .iov_len = entry.size()});
  }
  return sd_journal_sendv(parts.data(), static_cast<int>(parts.size())) >= 0;
}

}  // namespace

Result<LogLevel> ParseLogLevel(std::string_view text) {
  const auto row = std::ranges::find(kLevels, text, &LevelRow::name);
  if (row != kLevels.end()) return row->level;
  return Fail(
      Code::kInvalidArgument,
      fmt::format("'{}' is not a log level: debug, info, warning or error", EscapeControl(text)));
}

std::string_view LogLevelName(LogLevel level) { return RowOf(level).name; }

LogStyle DetectLogStyle() {
  // systemd.exec(5): "device:inode" of the stream that a service's output was connected to.
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status = {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &status) != 0) return LogStyle::kHuman;
  const bool ours = fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
  return ours ? LogStyle::kJournal : LogStyle::kHuman;
}

void InitLog(LogLevel level) {
  current_style = DetectLogStyle();
  auto logger =
      std::make_shared<spdlog::logger>("lodekey", std::make_shared<StderrSink>(current_style));
  logger->set_level(RowOf(level).spdlog_level);
  spdlog::set_default_logger(std::move(logger));
}

void LogEvent(LogLevel level, std::string_view message, std::span<const LogField> fields,
              std::string_view message_id) {
  if (!spdlog::should_log(RowOf(level).spdlog_level)) return;
  const std::string line = FormatLogEvent(message, fields);
  if (current_style == LogStyle::kJournal && SendToJournal(level, line, fields, message_id)) return;
  spdlog::default_logger_raw()->log(RowOf(level).spdlog_level, line);
}

std::string FormatLogLine(LogStyle style, LogLevel level, Time time, std::string_view message) {
  const LevelRow& row = RowOf(level);
  if (style == LogStyle::kJournal)
    return fmt::format("<{}>{}", row.priority, EscapeControl(message));
  return fmt::format("{} {} {}", FormatTime(time), row.name, EscapeControl(message));
}

std::string FormatLogEvent(std::string_view message, std::span<const LogField> fields) {
  std::string line(message);
  for (const LogField& field : fields) {
    line +=
        fmt::format(" {}={}", field.key, IsPlain(field.value) ? field.value : Quote(field.value));
  }
  return line;
}

}  // namespace lodekey::platform
