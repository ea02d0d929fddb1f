#include "platform/errno_error.h"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace lodekey::platform {
namespace {

struct Situation {
  Code code;
  std::string_view name;
  std::string_view advice = {};
};

Situation SituationOf(int number) {
  switch (number) {
    case ENOENT: return {Code::kNotFound, "file-not-found"};
    case EACCES:
    case EPERM:
    case EROFS: return {Code::kHardware, "file-permission"};
    case ENOSPC:
    case EDQUOT: return {Code::kHardware, "disk-full", "Make room on its file system."};
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN: return {Code::kUnavailable, "out-of-resources"};
    default: return {Code::kHardware, ""};
  }
}

}  // namespace

std::unexpected<Error> FailErrno(int number, std::string what, std::source_location where) {
  const Situation situation = SituationOf(number);
  const char* words = strerrordesc_np(number);
  return Fail(situation.code,
              fmt::format("{}: {}", what, words != nullptr ? words : "unknown system error"),
              {.name = std::string(situation.name),
               .advice = std::string(situation.advice),
               .detail = Detail{Detail::Source::kErrno, static_cast<uint64_t>(number)}},
              where);
}

}  // namespace lodekey::platform
