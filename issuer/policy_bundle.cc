#include "issuer/policy_bundle.h"

#include <algorithm>

#include <fmt/format.h>

#include "attest/policy_codec.h"
#include "issuer/shipped_policy.h"
#include "issuer/strict_json.h"
#include "platform/escape.h"

namespace lodekey::issuer {
namespace {

constexpr std::string_view kDataFile = "data.json";
constexpr std::string_view kSuffix = ".rego";
constexpr size_t kShownBytes = 64;
// Beside the texts: names, and a few bytes for each field (tag and length).
constexpr size_t kMaxEncodedBytes = kMaxPolicyBytes + kMaxPolicyFiles * (kMaxPolicyFileName + 32);

std::unexpected<Error> Invalid(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text), {.name = "policy-invalid"});
}

Result<void> CheckName(std::string_view name) {
  const bool fits =
      name.size() > kSuffix.size() && name.size() <= kMaxPolicyFileName && name.ends_with(kSuffix);
  const std::string_view stem = fits ? name.substr(0, name.size() - kSuffix.size()) : "";
  const bool plain = std::ranges::all_of(stem, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  if (fits && plain) return {};
  return Invalid(fmt::format(
      "'{}' is not the name of a policy file: at most {} bytes of a-z, 0-9, '_' and '-', then {}",
      platform::EscapeControl(name.substr(0, kShownBytes)), kMaxPolicyFileName, kSuffix));
}

// What is reviewed must be what is evaluated: nothing in it may steer a terminal or change the
// order in which it is shown.
Result<void> CheckText(std::string_view text) {
  size_t line = 1;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of("\n\t\r"), text.size());
    if (!platform::IsPrintable(text.substr(0, end)))
      return Invalid(fmt::format("line {} is not UTF-8, or has control characters", line));
    if (end == text.size()) return {};
    if (text[end] == '\n') ++line;
    text.remove_prefix(end + 1);
  }
  return {};
}

size_t SizeOf(const PolicyBundle& bundle) {
  size_t size = bundle.data.size();
  for (const auto& [name, text] : bundle.files) size += text.size();
  return size;
}

Result<void> CheckData(std::string_view data) {
  const auto json = ParseStrictJson(data, kMaxPolicyBytes);
  if (!json) return Invalid(fmt::format("{}: {}", kDataFile, json.error().text));
  if (!json->is_object()) return Invalid(fmt::format("{}: is no JSON object", kDataFile));
  return CheckText(data);
}

}  // namespace

const PolicyBundle& ShippedPolicy() {
  static const PolicyBundle shipped = [] {
    PolicyBundle bundle;
    for (const auto& [name, text] : ShippedPolicyFiles()) {
      if (name == kDataFile) {
        bundle.data = text;
      } else {
        bundle.files.emplace(name, text);
      }
    }
    return bundle;
  }();
  return shipped;
}

Result<void> CheckBundle(const PolicyBundle& bundle) {
  const bool decides = std::ranges::any_of(
      bundle.files, [](const auto& file) { return !file.first.ends_with(kPolicyTestSuffix); });
  if (!decides) return Invalid("a policy has at least one file that is not a test");
  if (bundle.files.size() > kMaxPolicyFiles)
    return Invalid(fmt::format("a policy has at most {} files, this one has {}", kMaxPolicyFiles,
                               bundle.files.size()));
  if (const size_t size = SizeOf(bundle); size > kMaxPolicyBytes)
    return Invalid(
        fmt::format("a policy has at most {} bytes, this one has {}", kMaxPolicyBytes, size));
  for (const auto& [name, text] : bundle.files) {
    RETURN_IF_ERROR(CheckName(name), "policy");
    RETURN_IF_ERROR(CheckText(text), name);
  }
  return CheckData(bundle.data);
}

std::string EncodeBundle(const PolicyBundle& bundle) {
  return attest::EncodePolicy(bundle).SerializeAsString();
}

Result<PolicyBundle> DecodeBundle(std::string_view bytes) {
  if (bytes.size() > kMaxEncodedBytes)
    return Invalid(fmt::format("a policy has at most {} bytes", kMaxPolicyBytes));
  lodekey::policy::v1::Bundle message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Invalid("the policy is not a message of its kind");
  ASSIGN_OR_RETURN(PolicyBundle bundle, attest::DecodePolicy(message), "policy");
  RETURN_IF_ERROR(CheckBundle(bundle), "policy");
  return bundle;
}

}  // namespace lodekey::issuer
