// Logging for the edges of programs; libraries return Errors and never log. Everything written is
// one line per event, without control characters. Thread-safe after InitLog.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace lodekey::platform {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// "debug", "info", "warning", "error".
Result<LogLevel> ParseLogLevel(std::string_view text);
std::string_view LogLevelName(LogLevel level);

// Where stderr leads.
enum class LogStyle {
  kHuman,    // "2026-01-31T09:30:00.250Z warning message"
  kJournal,  // "<4>message" (sd-daemon(3)); events with their fields go to journald directly
};

// kJournal when stderr is the stream that systemd named in JOURNAL_STREAM.
LogStyle DetectLogStyle();

// Sends spdlog's default logger to stderr in the style found, from `level` up. Call once, before
// threads, at the start of main; again to change the level.
void InitLog(LogLevel level);

// One fact about an event. `key`: lower-case letters, digits and '_' ("node_id"); journald sees
// LODEKEY_NODE_ID.
struct LogField {
  std::string_view key;
  std::string value;
};

// Logs what happened with its facts. `message_id` is the event's stable id for the journal's
// MESSAGE_ID (32 hexadecimal digits), or empty.
void LogEvent(LogLevel level, std::string_view message, std::span<const LogField> fields,
              std::string_view message_id = {});
inline void LogEvent(LogLevel level, std::string_view message,
                     std::initializer_list<LogField> fields = {},
                     std::string_view message_id = {}) {
  LogEvent(level, message, std::span(fields.begin(), fields.size()), message_id);
}

// The pure parts. A line ends without a newline.
std::string FormatLogLine(LogStyle style, LogLevel level, Time time, std::string_view message);
// `message key=value key="value with blanks"`; quotes and backslashes in quoted values are escaped.
std::string FormatLogEvent(std::string_view message, std::span<const LogField> fields);

}  // namespace lodekey::platform
