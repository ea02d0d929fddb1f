#include "platform/line_reader.h"

#include <algorithm>

#include "platform/file.h"

namespace lodekey::platform {
namespace {

constexpr size_t kPiece = 1 << 16;

}  // namespace

Result<bool> LineReader::Next(std::string& line) {
  line.clear();
  while (line.size() <= max_line_) {
    if (at_ == piece_.size()) {
      ASSIGN_OR_RETURN(piece_, ReadUpTo(fd_, kPiece, path_), "read lines");
      at_ = 0;
      if (piece_.empty()) {
        torn_ |= !line.empty();
        return !line.empty();
      }
    }
    const auto begin = piece_.begin() + static_cast<std::ptrdiff_t>(at_);
    const auto end = std::find(begin, piece_.end(), '\n');
    line.append(begin, end);
    at_ = static_cast<size_t>(end - piece_.begin());
    if (end != piece_.end()) {
      ++at_;
      return true;
    }
  }
  return true;
}

}  // namespace lodekey::platform
