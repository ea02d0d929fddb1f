// Lines of a file of any size, in constant memory.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace lodekey::platform {

class LineReader {
 public:
  // Reads from the current offset of `fd`; `path` is for error texts. Neither is owned; both
  // outlive it.
  LineReader(int fd, const std::string& path, size_t max_line)
      : fd_(fd), path_(path), max_line_(max_line) {}

  // False at the end. A line is without its LF; the last one may lack it, see torn(). One that is
  // longer than `max_line` comes in parts of more than that: whoever bounds lines refuses the
  // first.
  Result<bool> Next(std::string& line);

  // Whether the last line had no LF.
  bool torn() const { return torn_; }

 private:
  int fd_;
  const std::string& path_;
  size_t max_line_;
  Bytes piece_;
  size_t at_ = 0;
  bool torn_ = false;
};

}  // namespace lodekey::platform
