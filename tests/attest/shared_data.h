// Files of the shared data, when it is at hand.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace lodekey::test {

inline std::filesystem::path SourceTree() {
  const char* const source = std::getenv("LODEKEY_SOURCE");
  return source != nullptr ? source : ".";
}

inline std::filesystem::path SharedData() {
  const char* const shared = std::getenv("LODEKEY_SHARED");
  return shared != nullptr ? std::filesystem::path(shared) : SourceTree() / "../shared";
}

inline std::optional<Bytes> ReadIfThere(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return Bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace lodekey::test
