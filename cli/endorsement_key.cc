#include "cli/endorsement_key.h"

#include <algorithm>

#include <fmt/format.h>

#include "attest/endorsement.h"
#include "cli/text.h"
#include "crypto/encoding.h"

namespace lodekey::cli {
namespace {

// NV indices of endorsement certificates (TCG EK Credential Profile 2.5, 2.2.1.4 and 2.2.1.5).
constexpr TPM2_HANDLE kFirstEkIndex = 0x01c00002;
constexpr TPM2_HANDLE kLastEkIndex = 0x01c000ff;

std::string OrEmptyName(const std::string& name) { return name.empty() ? "(empty)" : name; }

}  // namespace

const tpm::EkTemplate& ChooseEkTemplate(const std::vector<TPM2_HANDLE>& nv_indices) {
  const auto& templates = tpm::EkTemplates();
  const auto held = std::ranges::find_if(templates, [&](const tpm::EkTemplate& candidate) {
    return std::ranges::count(nv_indices, candidate.certificate_index) != 0;
  });
  return held == templates.end() ? templates.front() : *held;
}

void ReadCertificate(ByteView stored, EndorsementKey& ek) {
  const auto der = attest::TrimStoredCertificate(stored);
  auto certificate = der ? crypto::Certificate::FromDer(*der)
                         : Result<crypto::Certificate>(std::unexpected(der.error()));
  if (!certificate) {
    ek.certificate_problem = certificate.error().text;
  } else if (!(certificate->key() == ek.key)) {
    ek.certificate_problem = "the certificate is for another key";
  } else {
    ek.certificate = *std::move(certificate);
  }
}

Result<EndorsementKey> ReadEndorsementKey(tpm::Device& device) {
  ASSIGN_OR_RETURN(const auto indices, device.ListNv(kFirstEkIndex, kLastEkIndex),
                   "list the EK certificates");
  const tpm::EkTemplate& ek_template = ChooseEkTemplate(indices);
  ASSIGN_OR_RETURN(const tpm::LoadedKey loaded, device.CreateEk(ek_template),
                   "create the endorsement key");
  EndorsementKey ek{.template_name = std::string(ek_template.name),
                    .certificate_index = ek_template.certificate_index,
                    .key = loaded.area.key()};
  if (std::ranges::count(indices, ek_template.certificate_index) == 0) return ek;
  ASSIGN_OR_RETURN(const auto stored, device.ReadNv(ek_template.certificate_index),
                   "read the EK certificate");
  if (stored) ReadCertificate(*stored, ek);
  return ek;
}

std::string EkHash(const EndorsementKey& ek) { return ToHex(ek.key.spki_sha256()); }

std::string KeyTypeText(const crypto::PublicKey& key) {
  switch (key.type()) {
    case crypto::KeyType::kRsa: return fmt::format("rsa-{}", key.bits());
    case crypto::KeyType::kEcP256: return "ec-p256";
    case crypto::KeyType::kEcP384: return "ec-p384";
    case crypto::KeyType::kEcP521: return "ec-p521";
    case crypto::KeyType::kOther: break;
  }
  return "other";
}

std::string EkPem(const EndorsementKey& ek) {
  const std::string pem = crypto::ToPem("PUBLIC KEY", ek.key.spki_der());
  return ek.certificate ? pem + ek.certificate->ToPem() : pem;
}

std::string EkText(const EndorsementKey& ek) {
  std::string text = FormatFields(
      {{"ek hash", EkHash(ek)}, {"key type", KeyTypeText(ek.key)}, {"template", ek.template_name}});
  if (ek.certificate) {
    text += "\n" + FormatFields({{"certificate", fmt::format("NV {:#x}", ek.certificate_index)},
                                 {"subject", OrEmptyName(ek.certificate->subject())},
                                 {"issuer", OrEmptyName(ek.certificate->issuer())},
                                 {"not before", FormatTime(ek.certificate->not_before())},
                                 {"not after", FormatTime(ek.certificate->not_after())}});
  } else if (!ek.certificate_problem.empty()) {
    text += fmt::format("\nThe certificate in NV {:#x} is of no use: {}.\n", ek.certificate_index,
                        ek.certificate_problem);
  } else {
    text += "\nThe chip holds no certificate for its endorsement key.\n";
  }
  return text + fmt::format("\nTo let this host enrol, on the issuer:\n  lodekey node allow {}\n",
                            EkHash(ek));
}

Json EkJson(const EndorsementKey& ek) {
  Json certificate;
  if (ek.certificate) {
    certificate = {{"nv_index", fmt::format("{:#x}", ek.certificate_index)},
                   {"subject", ek.certificate->subject()},
                   {"issuer", ek.certificate->issuer()},
                   {"not_before", JsonTime(ek.certificate->not_before())},
                   {"not_after", JsonTime(ek.certificate->not_after())},
                   {"pem", ek.certificate->ToPem()}};
  }
  return {{"ek_hash", EkHash(ek)},
          {"key_type", KeyTypeText(ek.key)},
          {"template", ek.template_name},
          {"public_key_pem", crypto::ToPem("PUBLIC KEY", ek.key.spki_der())},
          {"certificate", certificate},
          {"certificate_problem", JsonText(ek.certificate_problem)},
          {"allow_command", "lodekey node allow " + EkHash(ek)}};
}

}  // namespace lodekey::cli
