#include "agent/devid.h"

#include <fmt/format.h>

#include "crypto/certificate.h"
#include "platform/file.h"

namespace lodekey::agent {
namespace {

constexpr size_t kMaxCertificates = 4;           // as the issuer takes
constexpr size_t kMaxFile = size_t{32} << 10;    // bytes; PEM with comments
constexpr size_t kMaxKeyFile = size_t{4} << 10;  // bytes
constexpr size_t kMaxAuth = 64;                  // bytes, a digest's

Result<std::vector<Bytes>> ReadCertificates(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string pem, platform::ReadTextFile(path, kMaxFile), "devid");
  const auto certificates = crypto::Certificate::ListFromPem(pem, kMaxCertificates);
  if (!certificates || certificates->empty()) {
    return Fail(Code::kInvalidArgument,
                fmt::format("{} has not 1 to {} certificates in PEM{}", path, kMaxCertificates,
                            certificates ? "" : ": " + certificates.error().text),
                {.name = "devid-certificate-malformed",
                 .advice = "Put the DevID's certificate there, and its intermediates behind it."});
  }
  std::vector<Bytes> chain;
  for (const crypto::Certificate& certificate : *certificates) chain.push_back(certificate.der());
  return chain;
}

Result<crypto::Secret> ReadAuth(const std::string& path) {
  if (path.empty()) return crypto::Secret();
  ASSIGN_OR_RETURN(Bytes content, platform::ReadFile(path, kMaxAuth), "devid.key_auth");
  crypto::Secret auth = crypto::Secret::Copy(content);
  crypto::WipeBytes(content);
  return auth;
}

Result<tpm::PublicArea> ReadKeyFile(const std::string& path) {
  ASSIGN_OR_RETURN(const Bytes content, platform::ReadFile(path, kMaxKeyFile), "devid.key_public");
  ASSIGN_OR_RETURN(tpm::PublicArea area, tpm::PublicArea::Parse(content), path);
  return area;
}

Result<tpm::LoadedKey> LoadKey(tpm::Device& device, const platform::DevIdConfig& config) {
  ASSIGN_OR_RETURN(const crypto::Secret auth, ReadAuth(config.key_auth), "key of the DevID");
  if (config.key_handle) return device.OpenPersistentKey(*config.key_handle, auth);
  ASSIGN_OR_RETURN(const tpm::PublicArea area, ReadKeyFile(config.key_public), "key of the DevID");
  ASSIGN_OR_RETURN(const Bytes blob, platform::ReadFile(config.key_private, kMaxKeyFile),
                   "devid.key_private");
  return device.LoadKey(config.parent, area, blob, auth);
}

Result<tpm::PublicArea> ReadPublicPart(tpm::Device& device, const platform::DevIdConfig& config) {
  if (!config.key_handle) return ReadKeyFile(config.key_public);
  ASSIGN_OR_RETURN(tpm::LoadedKey key, device.OpenPersistentKey(*config.key_handle, {}),
                   "key of the DevID");
  return std::move(key.area);
}

// TPM2_Certify asks for the ADMIN role of the key (part 3, 18.2). With adminWithPolicy that is
// given by the policy of whoever made the key, and by nothing that the agent has.
Result<void> CheckCertifiable(const tpm::PublicArea& key) {
  if ((key.attributes() & TPMA_OBJECT_ADMINWITHPOLICY) == 0) return {};
  return Fail(
      Code::kInvalidArgument,
      "the DevID's key is certified by its policy alone (adminWithPolicy), which lodekeyd "
      "cannot follow",
      {.name = "devid-key-policy",
       .advice = "TCG's templates for keys of a device's maker are so. Make a key of your own "
                 "beside it, without adminWithPolicy, have it certified, and name that one in "
                 "devid.certificate and devid.key."});
}

}  // namespace

Result<DevIdOffer> ReadDevId(tpm::Device& device, const platform::DevIdConfig& config) {
  ASSIGN_OR_RETURN(std::vector<Bytes> certificates, ReadCertificates(config.certificates), "DevID");
  ASSIGN_OR_RETURN(const crypto::Certificate leaf,
                   crypto::Certificate::FromDer(certificates.front()), "DevID");
  ASSIGN_OR_RETURN(tpm::PublicArea key, ReadPublicPart(device, config), "DevID");
  RETURN_IF_ERROR(CheckCertifiable(key), "DevID");
  if (leaf.key() == key.key())
    return DevIdOffer{.certificates = std::move(certificates), .key = std::move(key)};
  return Fail(Code::kInvalidArgument,
              fmt::format("the first certificate of {} ({}) is for another key than the DevID's",
                          config.certificates, leaf.subject()),
              {.name = "devid-key-mismatch",
               .advice = "Correct devid.certificate, or the key: devid.key, devid.key_public."});
}

Result<tpm::Quoted> CertifyDevId(tpm::Device& device, const platform::DevIdConfig& config,
                                 const tpm::LoadedKey& ak, ByteView qualifying) {
  ASSIGN_OR_RETURN(const tpm::LoadedKey key, LoadKey(device, config), "DevID");
  ASSIGN_OR_RETURN(tpm::Quoted certified, device.Certify(key, ak, qualifying), "DevID");
  return certified;
}

}  // namespace lodekey::agent
