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

EkCertificate ParseEkCertificate(const tpm::EkTemplate& made_for, ByteView stored) {
  EkCertificate result{.made_for = &made_for};
  const auto der = attest::TrimStoredCertificate(stored);
  auto certificate = der ? crypto::Certificate::FromDer(*der)
                         : Result<crypto::Certificate>(std::unexpected(der.error()));
  if (certificate) {
    result.certificate = *std::move(certificate);
  } else {
    result.problem = certificate.error().text;
  }
  return result;
}

Result<EkCertificate> ReadEkCertificate(tpm::Device& device) {
  ASSIGN_OR_RETURN(const auto indices, device.ListNv(kFirstEkIndex, kLastEkIndex),
                   "list the EK certificates");
  const tpm::EkTemplate& made_for = ChooseEkTemplate(indices);
  if (std::ranges::count(indices, made_for.certificate_index) == 0) {
    return EkCertificate{.made_for = &made_for};
  }
  ASSIGN_OR_RETURN(const auto stored, device.ReadNv(made_for.certificate_index),
                   "read the EK certificate");
  return stored ? ParseEkCertificate(made_for, *stored) : EkCertificate{.made_for = &made_for};
}

Result<EndorsementKey> ReadEndorsementKey(tpm::Device& device) {
  ASSIGN_OR_RETURN(EkCertificate stored, ReadEkCertificate(device), "EK certificate");
  ASSIGN_OR_RETURN(const tpm::LoadedKey ek, device.CreateEk(*stored.made_for),
                   "create the endorsement key");
  if (stored.certificate && !(stored.certificate->key() == ek.area.key())) {
    stored.certificate.reset();
    stored.problem = "it is for another key";
  }
  return EndorsementKey{.key = ek.area.key(), .stored = std::move(stored)};
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
  return ek.stored.certificate ? pem + ek.stored.certificate->ToPem() : pem;
}

std::string EkText(const EndorsementKey& ek) {
  const tpm::EkTemplate& made_from = *ek.stored.made_for;
  const std::string index = fmt::format("NV {:#x}", made_from.certificate_index);
  std::string text = FormatFields({{"ek hash", EkHash(ek)},
                                   {"key type", KeyTypeText(ek.key)},
                                   {"template", std::string(made_from.name)}});
  if (const auto& certificate = ek.stored.certificate) {
    text += "\n" + FormatFields({{"certificate", index},
                                 {"subject", OrEmptyName(certificate->subject())},
                                 {"issuer", OrEmptyName(certificate->issuer())},
                                 {"not before", FormatTime(certificate->not_before())},
                                 {"not after", FormatTime(certificate->not_after())}});
  } else if (!ek.stored.problem.empty()) {
    text += fmt::format("\nThe certificate in {} is of no use: {}.\n", index, ek.stored.problem);
  } else {
    text += "\nThe chip holds no certificate for its endorsement key.\n";
  }
  return text + fmt::format("\nTo let this host enrol, on the issuer:\n  lodekey node allow {}\n",
                            EkHash(ek));
}

Json EkJson(const EndorsementKey& ek) {
  const tpm::EkTemplate& made_from = *ek.stored.made_for;
  Json certificate;
  if (const auto& held = ek.stored.certificate) {
    certificate = {{"nv_index", fmt::format("{:#x}", made_from.certificate_index)},
                   {"subject", held->subject()},
                   {"issuer", held->issuer()},
                   {"not_before", JsonTime(held->not_before())},
                   {"not_after", JsonTime(held->not_after())},
                   {"pem", held->ToPem()}};
  }
  return {{"ek_hash", EkHash(ek)},
          {"key_type", KeyTypeText(ek.key)},
          {"template", made_from.name},
          {"public_key_pem", crypto::ToPem("PUBLIC KEY", ek.key.spki_der())},
          {"certificate", certificate},
          {"certificate_problem", JsonText(ek.stored.problem)},
          {"allow_command", "lodekey node allow " + EkHash(ek)}};
}

}  // namespace lodekey::cli
