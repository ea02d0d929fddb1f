#include "attest/tpm_manufacturer.h"

#include <algorithm>
#include <optional>

#include "base/hex.h"
#include "crypto/directory_name.h"

namespace lodekey::attest {
namespace {

constexpr std::string_view kManufacturer = "2.23.133.2.1";  // tcg-at-tpmManufacturer
constexpr std::string_view kPrefix = "id:";
constexpr size_t kVendorIdSize = 4;

bool IsPrintable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

// Vendors with fewer than four characters fill up with zeros or blanks.
std::optional<std::string> VendorOf(std::string_view id) {
  if (!id.starts_with(kPrefix)) return std::nullopt;
  const auto bytes = ParseHex(id.substr(kPrefix.size()));
  if (!bytes || bytes->size() != kVendorIdSize) return std::nullopt;
  std::string vendor(AsText(*bytes));
  while (!vendor.empty() && (vendor.back() == '\0' || vendor.back() == ' ')) vendor.pop_back();
  if (vendor.empty() || !IsPrintable(vendor)) return std::nullopt;
  return vendor;
}

}  // namespace

std::string TpmManufacturer(const crypto::Certificate& certificate) {
  const auto attributes = crypto::DirectoryNameAttributes(certificate);
  const auto found = std::ranges::find(attributes, kManufacturer, &crypto::NameAttribute::oid);
  if (found == attributes.end()) return {};
  const std::string& id = found->value;
  if (id.size() > kMaxManufacturer || !IsPrintable(id)) return {};
  return VendorOf(id).value_or(id);
}

}  // namespace lodekey::attest
