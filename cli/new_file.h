// A file that was not there, written piece by piece, of any size.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "platform/unique_fd.h"

namespace lodekey::cli {

// Removed again unless it is finished.
class NewFile {
 public:
  // 0600. kConflict ("file-exists"), kHardware ("file-unwritable").
  static Result<NewFile> Create(std::string path);
  ~NewFile();
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;

  Result<void> Write(std::string_view text);
  // On disk, and staying.
  Result<void> Finish();

 private:
  NewFile(std::string path, platform::UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  Result<void> Flush();

  std::string path_;
  platform::UniqueFd fd_;
  std::string buffer_;
  bool kept_ = false;
};

}  // namespace lodekey::cli
