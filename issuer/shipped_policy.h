// The files under issuer/policy, as they were when this program was built (cmake/EmbedFiles.cmake).
#pragma once

#include <span>
#include <string_view>

namespace lodekey::issuer {

struct ShippedFile {
  std::string_view name;
  std::string_view text;
};

std::span<const ShippedFile> ShippedPolicyFiles();

}  // namespace lodekey::issuer
