// Evidence captured from real boots, when the shared data is at hand.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace lodekey::test {

// The file `name` of the captured boot "a-clean"; nullopt where the shared data is absent.
inline std::optional<Bytes> ReadCapture(const std::string& name) {
  const char* const shared = std::getenv("LODEKEY_SHARED");
  const char* const source = std::getenv("LODEKEY_SOURCE");
  const std::filesystem::path root =
      shared != nullptr ? shared
                        : std::filesystem::path(source != nullptr ? source : ".") / "../shared";
  std::ifstream file(root / "captures/a-clean" / name, std::ios::binary);
  if (!file) return std::nullopt;
  return Bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace lodekey::test
