#include "issuer/policy_mark.h"

#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "base/hex.h"
#include "crypto/digest.h"
#include "platform/file.h"

namespace lodekey::issuer {
namespace {

constexpr size_t kMaxFile =
    128;  // bytes: twenty digits, a blank, 64 digits and the end of the line

// "7 9f86…", with or without the end of the line.
std::optional<PolicyMark::Taken> Parse(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  const size_t blank = text.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  PolicyMark::Taken taken;
  const char* const end = text.data() + blank;
  const auto [rest, error] = std::from_chars(text.data(), end, taken.version);
  const auto digest = ParseHex(text.substr(blank + 1));
  const bool whole = error == std::errc() && rest == end && taken.version != 0 && digest &&
                     digest->size() == crypto::Sha256Digest().size();
  if (!whole) return std::nullopt;
  taken.digest = *digest;
  return taken;
}

}  // namespace

Result<PolicyMark::Taken> PolicyMark::Read() const {
  const auto text = platform::ReadTextFile(path_, kMaxFile);
  if (!text && text.error().code == Code::kNotFound) return Taken{};
  if (text) {
    if (auto taken = Parse(*text)) return *std::move(taken);
  }
  return Fail(
      Code::kUntrusted,
      text ? fmt::format("{} has no version and digest of a policy", path_) : text.error().text,
      {.name = "policy-mark-corrupt",
       .advice = "Restore it from a backup. Without one remove it: the issuer then takes "
                 "what its database has, if it is signed; see that it is the newest "
                 "('lodekey policy history')."});
}

Result<void> PolicyMark::Raise(const Taken& taken) const {
  if (taken.version == 0) return {};
  ASSIGN_OR_RETURN(const Taken before, Read(), "policy version");
  if (taken.version <= before.version) return {};
  const std::string text = fmt::format("{} {}\n", taken.version, ToHex(taken.digest));
  return platform::WriteFileAtomically(path_, AsBytes(text), 0600);
}

}  // namespace lodekey::issuer
