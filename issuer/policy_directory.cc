#include "issuer/policy_directory.h"

#include <filesystem>

#include <fmt/format.h>

#include "platform/file.h"

namespace lodekey::issuer {
namespace {

constexpr std::string_view kDataFile = "data.json";

std::unexpected<Error> Unreadable(const std::string& path, const std::string& reason) {
  return Fail(Code::kNotFound, fmt::format("cannot read {}: {}", path, reason),
              {.name = "policy-unreadable",
               .advice = "Name a directory with *.rego files and data.json; the shipped ones: "
                         "lodekey policy show --write DIR"});
}

}  // namespace

Result<PolicyBundle> ReadPolicyDirectory(const std::string& path) {
  namespace fs = std::filesystem;
  PolicyBundle bundle;
  std::error_code error;
  for (fs::directory_iterator file(path, error), end; !error && file != end;
       file.increment(error)) {
    const std::string name = file->path().filename().string();
    if (name != kDataFile && file->path().extension() != ".rego") continue;
    auto text = platform::ReadTextFile(file->path().string());
    if (!text) return Unreadable(file->path().string(), text.error().text);
    (name == kDataFile ? bundle.data : bundle.files[name]) = *std::move(text);
    // One more than is allowed is enough to say so.
    if (bundle.files.size() > attest::kMaxPolicyFiles) break;
  }
  if (error) return Unreadable(path, error.message());
  RETURN_IF_ERROR(CheckBundle(bundle), path);
  return bundle;
}

}  // namespace lodekey::issuer
