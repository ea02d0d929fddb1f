#include "agent/key_file.h"

#include <fmt/format.h>

#include "base/reader.h"
#include "base/writer.h"
#include "crypto/digest.h"
#include "platform/file.h"

namespace lodekey::agent {
namespace {

constexpr std::string_view kMagic = "lodekey-key-1\n";
constexpr size_t kSecretSize = 32;
constexpr size_t kMaxFile = 256;

Result<void> Store(const std::string& path, const tpm::KeySecret& secret) {
  Bytes content =
      std::move(Writer().Raw(kMagic).Raw(secret.data.Reveal()).Raw(secret.auth.Reveal())).Finish();
  const auto check = crypto::Sha256(content);
  content.insert(content.end(), check.begin(), check.end());
  auto stored = platform::WriteFileAtomically(path, content, 0600);
  crypto::WipeBytes(content);
  return stored;
}

Result<tpm::KeySecret> Parse(ByteView content) {
  Reader reader(content, "key file");
  ASSIGN_OR_RETURN(const ByteView magic, reader.Take(kMagic.size()), "magic");
  ASSIGN_OR_RETURN(const ByteView data, reader.Take(kSecretSize), "data");
  ASSIGN_OR_RETURN(const ByteView auth, reader.Take(kSecretSize), "auth");
  const size_t covered = reader.offset();
  ASSIGN_OR_RETURN(const ByteView check, reader.Take(sizeof(crypto::Sha256Digest)), "check");
  RETURN_IF_ERROR(reader.ExpectEnd(), "key file");
  if (AsText(magic) != kMagic || !Equal(check, crypto::Sha256(content.first(covered)))) {
    return Fail(Code::kUntrusted, "wrong magic or check sum");
  }
  return tpm::KeySecret{.data = crypto::Secret::Copy(data), .auth = crypto::Secret::Copy(auth)};
}

}  // namespace

Result<tpm::KeySecret> ReadOrMakeKeySecret(const std::string& path) {
  auto content = platform::ReadFile(path, kMaxFile);
  if (!content && content.error().code == Code::kNotFound) {
    tpm::KeySecret secret{.data = crypto::Secret::Random(kSecretSize),
                          .auth = crypto::Secret::Random(kSecretSize)};
    RETURN_IF_ERROR(Store(path, secret), "store a key's secret");
    return secret;
  }
  if (!content) return std::unexpected(std::move(content.error()).Wrapped("read a key's secret"));
  auto secret = Parse(*content);
  crypto::WipeBytes(*content);
  if (secret) return secret;
  return Fail(Code::kUntrusted,
              fmt::format("{} is not a key file of lodekey: {}", path, secret.error().text),
              {.name = "key-file-corrupt",
               .advice = "Restore it from a backup. If there is none, move it away and restart "
                         "lodekeyd; the issuer then asks for "
                         "'lodekey node approve-ak' for this node."});
}

}  // namespace lodekey::agent
