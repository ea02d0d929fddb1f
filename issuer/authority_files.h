// The files of an Authority, all in one 0700 directory: <name>.key (PKCS#8 PEM, 0600) and
// <name>.crt (PEM), audit.key and challenge.key (32 bytes as base64, 0600), jwt.key (see
// issuer/jwt_key_set.h, 0600).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/certificate.h"
#include "crypto/private_key.h"
#include "crypto/secret.h"

namespace lodekey::issuer {

class AuthorityFiles {
 public:
  explicit AuthorityFiles(std::string directory) : directory_(std::move(directory)) {}

  // Fails when the file cannot be looked at: that is not the same as not there.
  Result<bool> HasKey(std::string_view name) const;
  Result<bool> HasCertificate(std::string_view name) const;
  Result<crypto::PrivateKey> ReadKey(std::string_view name) const;
  Result<crypto::Certificate> ReadCertificate(std::string_view name) const;
  Result<void> WriteKey(std::string_view name, const crypto::PrivateKey& key) const;
  Result<void> WriteCertificate(std::string_view name,
                                const crypto::Certificate& certificate) const;
  // Certificate and key, as far as they are there.
  void Remove(std::string_view name) const;

  // The whole of a .key file that is neither: at most 64 KiB.
  Result<crypto::Secret> ReadSecret(std::string_view name) const;
  Result<void> WriteSecret(std::string_view name, const crypto::Secret& content) const;

  // 32 bytes, as base64.
  Result<crypto::Secret> ReadSeed(std::string_view name) const;
  Result<void> WriteSeed(std::string_view name, const crypto::Secret& seed) const;

 private:
  std::string Path(std::string_view name, std::string_view extension) const;
  std::string directory_;
};

}  // namespace lodekey::issuer
