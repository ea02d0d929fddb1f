#include "issuer/authority_files.h"

#include <filesystem>

#include <fmt/format.h>

#include "crypto/encoding.h"
#include "platform/errno_error.h"
#include "platform/file.h"

namespace lodekey::issuer {
namespace {

constexpr size_t kMaxFile = 65536;
constexpr size_t kSeedSize = 32;

Result<crypto::Secret> ReadSecretFile(const std::string& path) {
  ASSIGN_OR_RETURN(Bytes bytes, platform::ReadFile(path, kMaxFile), "read a key");
  crypto::Secret secret = crypto::Secret::Copy(bytes);
  crypto::WipeBytes(bytes);
  return secret;
}

Result<bool> Exists(const std::string& path) {
  std::error_code error;
  const bool exists = std::filesystem::exists(path, error);
  if (error) return platform::FailErrno(error.value(), fmt::format("cannot look at '{}'", path));
  return exists;
}

}  // namespace

std::string AuthorityFiles::Path(std::string_view name, std::string_view extension) const {
  return fmt::format("{}/{}.{}", directory_, name, extension);
}

Result<bool> AuthorityFiles::HasKey(std::string_view name) const {
  return Exists(Path(name, "key"));
}
Result<bool> AuthorityFiles::HasCertificate(std::string_view name) const {
  return Exists(Path(name, "crt"));
}

void AuthorityFiles::Remove(std::string_view name) const {
  std::error_code kept;  // whoever makes it anew then refuses, and names it
  std::filesystem::remove(Path(name, "crt"), kept);
  std::filesystem::remove(Path(name, "key"), kept);
}

Result<crypto::PrivateKey> AuthorityFiles::ReadKey(std::string_view name) const {
  ASSIGN_OR_RETURN(const crypto::Secret pem, ReadSecretFile(Path(name, "key")), "private key");
  return crypto::PrivateKey::FromPem(pem);
}

Result<crypto::Certificate> AuthorityFiles::ReadCertificate(std::string_view name) const {
  ASSIGN_OR_RETURN(const std::string pem, platform::ReadTextFile(Path(name, "crt"), kMaxFile),
                   "certificate");
  return crypto::Certificate::FromPem(pem);
}

Result<void> AuthorityFiles::WriteKey(std::string_view name, const crypto::PrivateKey& key) const {
  ASSIGN_OR_RETURN(const crypto::Secret pem, key.ToPem(), "encode a key");
  return platform::WriteFileAtomically(Path(name, "key"), pem.Reveal(), 0600);
}

Result<void> AuthorityFiles::WriteCertificate(std::string_view name,
                                              const crypto::Certificate& certificate) const {
  return platform::WriteFileAtomically(Path(name, "crt"), AsBytes(certificate.ToPem()), 0644);
}

Result<crypto::Secret> AuthorityFiles::ReadSecret(std::string_view name) const {
  return ReadSecretFile(Path(name, "key"));
}

Result<void> AuthorityFiles::WriteSecret(std::string_view name,
                                         const crypto::Secret& content) const {
  return platform::WriteFileAtomically(Path(name, "key"), content.Reveal(), 0600);
}

Result<crypto::Secret> AuthorityFiles::ReadSeed(std::string_view name) const {
  ASSIGN_OR_RETURN(const crypto::Secret text, ReadSecret(name), "key");
  ASSIGN_OR_RETURN(Bytes seed, crypto::ParseBase64(AsText(text.Reveal()), kSeedSize),
                   Path(name, "key"));
  crypto::Secret secret = crypto::Secret::Copy(seed);
  crypto::WipeBytes(seed);
  if (secret.size() != kSeedSize) {
    return Fail(Code::kUntrusted,
                fmt::format("{} does not hold {} bytes", Path(name, "key"), kSeedSize),
                {.name = "authority-corrupt", .advice = "Restore the file from a backup."});
  }
  return secret;
}

Result<void> AuthorityFiles::WriteSeed(std::string_view name, const crypto::Secret& seed) const {
  const crypto::Secret text = crypto::Secret::Copy(AsBytes(crypto::ToBase64(seed.Reveal())));
  return WriteSecret(name, text);
}

}  // namespace lodekey::issuer
