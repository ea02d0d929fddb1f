#include "cli/policy_files.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "base/hex.h"
#include "cli/json.h"
#include "platform/file.h"

namespace lodekey::cli {
namespace {

constexpr std::string_view kRego = ".rego";
constexpr std::string_view kData = "data.json";
constexpr std::string_view kSignature = "policy.sig";
constexpr std::string_view kSigner = "ed25519:";
constexpr size_t kMaxSignatureFile = 4096;
constexpr mode_t kMode = 0644;

std::unexpected<Error> BadSignature(const std::string& path) {
  return Fail(Code::kInvalidArgument, fmt::format("{} is no signature of a policy", path),
              {.name = "policy-signature", .advice = "Sign it again: lodekey policy sign"});
}

std::string PathOf(const std::string& directory, std::string_view name) {
  return (std::filesystem::path(directory) / name).string();
}

bool IsPolicyFile(const std::string& name) {
  return name.ends_with(kRego) || name == kData || name == kSignature;
}

// Names of what belongs to a policy, in order.
Result<std::vector<std::string>> ListNames(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    std::error_code unknown;
    std::string name = entry.path().filename().string();
    if (IsPolicyFile(name) && !entry.is_directory(unknown)) names.push_back(std::move(name));
  }
  if (error) {
    return Fail(Code::kNotFound, fmt::format("cannot list {}: {}", directory, error.message()),
                {.name = "policy-not-found", .advice = "Name the directory of the policy."});
  }
  std::ranges::sort(names);
  return names;
}

template <size_t size>
bool ReadHex(const Json& json, std::string_view prefix, std::array<uint8_t, size>& out) {
  if (!json.is_string()) return false;
  const auto& text = json.get_ref<const std::string&>();
  if (!text.starts_with(prefix)) return false;
  const auto bytes = ParseHex(std::string_view(text).substr(prefix.size()));
  if (!bytes || bytes->size() != size) return false;
  std::ranges::copy(*bytes, out.begin());
  return true;
}

Result<attest::PolicySignature> ReadSignature(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, platform::ReadTextFile(path, kMaxSignatureFile),
                   "signature");
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("version") || !json.contains("signer") ||
      !json.contains("signature") || !json["version"].is_number_unsigned())
    return BadSignature(path);
  attest::PolicySignature signature{.version = json["version"].get<uint64_t>()};
  if (!ReadHex(json["signer"], kSigner, signature.key) ||
      !ReadHex(json["signature"], "", signature.signature))
    return BadSignature(path);
  return signature;
}

Result<void> CheckLimits(const std::vector<std::string>& names, size_t bytes) {
  if (names.size() <= attest::kMaxPolicyFiles && bytes <= attest::kMaxPolicyBytes) return {};
  return Fail(Code::kInvalidArgument,
              fmt::format("a policy has at most {} files and {} bytes in all",
                          attest::kMaxPolicyFiles, attest::kMaxPolicyBytes),
              {.name = "policy-invalid", .advice = "Is this the directory of a policy?"});
}

}  // namespace

Result<PolicyFiles> ReadPolicyFiles(const std::string& directory) {
  ASSIGN_OR_RETURN(const auto names, ListNames(directory), "policy");
  PolicyFiles files;
  size_t bytes = 0;
  for (const std::string& name : names) {
    const std::string path = PathOf(directory, name);
    if (name == kSignature) {
      ASSIGN_OR_RETURN(files.signature, ReadSignature(path), "policy");
      continue;
    }
    ASSIGN_OR_RETURN(std::string text, platform::ReadTextFile(path, attest::kMaxPolicyBytes),
                     "policy");
    bytes += text.size();
    RETURN_IF_ERROR(CheckLimits(names, bytes), directory);
    if (name == kData)
      files.bundle.data = std::move(text);
    else
      files.bundle.files[name] = std::move(text);
  }
  if (!files.bundle.files.empty()) return files;
  return Fail(
      Code::kNotFound, fmt::format("{} has no *.rego", directory),
      {.name = "policy-not-found",
       .advice = "Begin with the policy that decides now: lodekey policy show --write DIR"});
}

Result<void> WritePolicyFiles(const std::string& directory, const PolicyFiles& files) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  ASSIGN_OR_RETURN(const auto names, ListNames(directory), "policy");
  if (!names.empty()) {
    return Fail(Code::kConflict, fmt::format("{} has a policy already: {}", directory, names[0]),
                {.name = "policy-directory", .advice = "Name a new directory, or empty this one."});
  }
  for (const auto& [name, text] : files.bundle.files) {
    RETURN_IF_ERROR(platform::WriteFileAtomically(PathOf(directory, name), AsBytes(text), kMode),
                    "policy");
  }
  RETURN_IF_ERROR(
      platform::WriteFileAtomically(PathOf(directory, kData), AsBytes(files.bundle.data), kMode),
      "policy");
  if (!files.signature) return {};
  return WritePolicySignature(directory, *files.signature);
}

Result<void> WritePolicySignature(const std::string& directory,
                                  const attest::PolicySignature& signature) {
  const Json json = {{"schema", 1},
                     {"version", signature.version},
                     {"signer", std::string(kSigner) + ToHex(signature.key)},
                     {"signature", ToHex(signature.signature)}};
  return platform::WriteFileAtomically(PathOf(directory, kSignature), AsBytes(DumpJson(json)),
                                       kMode);
}

}  // namespace lodekey::cli
