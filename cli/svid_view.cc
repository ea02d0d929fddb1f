#include "cli/svid_view.h"

#include <fmt/format.h>

#include "cli/text.h"
#include "crypto/private_key.h"
#include "platform/escape.h"
#include "platform/file.h"

namespace lodekey::cli {
namespace {

constexpr mode_t kKeyMode = 0600;
constexpr mode_t kCertificateMode = 0644;
constexpr mode_t kDirectoryMode = 0700;

std::unexpected<Error> Invalid(std::string why) {
  return Fail(Code::kUntrusted, "the agent's answer is no X.509-SVID: " + why,
              {.name = "svid-invalid", .advice = "See the agent's log: journalctl -u lodekeyd"});
}

Result<std::vector<crypto::Certificate>> ReadCertificates(const std::string& der) {
  auto certificates = crypto::Certificate::ListFromDer(AsBytes(der));
  if (!certificates) return Invalid(certificates.error().text);
  if (certificates->empty()) return Invalid("a certificate is missing");
  return certificates;
}

std::string PemOf(const std::vector<crypto::Certificate>& certificates) {
  std::string pem;
  for (const auto& certificate : certificates) pem += certificate.ToPem();
  return pem;
}

}  // namespace

Result<std::vector<SvidView>> ReadSvids(const X509SVIDResponse& response) {
  std::vector<SvidView> views;
  for (const X509SVID& svid : response.svids()) {
    SvidView view{.spiffe_id = svid.spiffe_id(),
                  .hint = svid.hint(),
                  .chain = {},
                  .bundle = {},
                  .key_pem = {}};
    ASSIGN_OR_RETURN(view.chain, ReadCertificates(svid.x509_svid()), "SVID");
    ASSIGN_OR_RETURN(view.bundle, ReadCertificates(svid.bundle()), "bundle");
    const auto key =
        crypto::PrivateKey::FromDer(crypto::Secret::Copy(AsBytes(svid.x509_svid_key())));
    if (!key) return Invalid(key.error().text);
    if (!(key->public_key() == view.chain.front().key())) return Invalid("its key is another");
    ASSIGN_OR_RETURN(view.key_pem, key->ToPem(), "key");
    views.push_back(std::move(view));
  }
  if (views.empty()) return Invalid("there is none");
  return views;
}

std::string SvidsText(const std::vector<SvidView>& svids) {
  std::string text;
  for (const SvidView& svid : svids) {
    const auto& leaf = svid.chain.front();
    if (!text.empty()) text += '\n';
    text += FormatFields({{"SPIFFE ID", platform::EscapeControl(svid.spiffe_id)},
                          {"hint", platform::EscapeControl(svid.hint)},
                          {"serial", ToHex(leaf.serial())},
                          {"not before", FormatTime(leaf.not_before())},
                          {"not after", FormatTime(leaf.not_after())}});
  }
  return text;
}

Json SvidsJson(const std::vector<SvidView>& svids) {
  Json list = Json::array();
  for (const SvidView& svid : svids) {
    const auto& leaf = svid.chain.front();
    list.push_back({{"spiffe_id", svid.spiffe_id},
                    {"hint", JsonText(svid.hint)},
                    {"serial", ToHex(leaf.serial())},
                    {"not_before", JsonTime(leaf.not_before())},
                    {"not_after", JsonTime(leaf.not_after())},
                    {"x509_svid", PemOf(svid.chain)},
                    {"bundle", PemOf(svid.bundle)}});
  }
  return list;
}

Result<std::vector<std::string>> WriteSvids(const std::vector<SvidView>& svids,
                                            const std::string& directory) {
  RETURN_IF_ERROR(platform::MakeDirectory(directory, kDirectoryMode), "write SVIDs");
  std::vector<std::string> paths;
  const auto write = [&](std::string name, ByteView content, mode_t mode) -> Result<void> {
    paths.push_back(fmt::format("{}/{}", directory, name));
    return platform::WriteFileAtomically(paths.back(), content, mode);
  };
  for (size_t i = 0; i < svids.size(); ++i) {
    const SvidView& svid = svids[i];
    // The key last: with it the pair is whole.
    RETURN_IF_ERROR(
        write(fmt::format("bundle.{}.pem", i), AsBytes(PemOf(svid.bundle)), kCertificateMode),
        "write SVIDs");
    RETURN_IF_ERROR(
        write(fmt::format("svid.{}.pem", i), AsBytes(PemOf(svid.chain)), kCertificateMode),
        "write SVIDs");
    RETURN_IF_ERROR(write(fmt::format("svid.{}.key", i), svid.key_pem.Reveal(), kKeyMode),
                    "write SVIDs");
  }
  return paths;
}

std::string JwtSvidsText(const JWTSVIDResponse& response) {
  std::string text;
  for (const JWTSVID& svid : response.svids()) {
    text += fmt::format(
        "{}{}\n{}\n", platform::EscapeControl(svid.spiffe_id()),
        svid.hint().empty() ? "" : fmt::format(" ({})", platform::EscapeControl(svid.hint())),
        platform::EscapeControl(svid.svid()));
  }
  return text;
}

Json JwtSvidsJson(const JWTSVIDResponse& response) {
  Json list = Json::array();
  for (const JWTSVID& svid : response.svids()) {
    list.push_back(
        {{"spiffe_id", svid.spiffe_id()}, {"hint", JsonText(svid.hint())}, {"svid", svid.svid()}});
  }
  return list;
}

}  // namespace lodekey::cli
