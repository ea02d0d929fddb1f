// The endorsement key by which the issuer knows this host's TPM, read from the chip as the agent
// does.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "cli/json.h"
#include "crypto/certificate.h"
#include "tpm/device.h"

namespace lodekey::cli {

struct EndorsementKey {
  std::string template_name = {};  // "p256-l2"
  TPM2_HANDLE certificate_index = 0;
  crypto::PublicKey key;
  std::optional<crypto::Certificate> certificate = {};
  std::string certificate_problem = {};  // why a certificate that the chip holds is of no use
};

// The template whose certificate the chip holds, else the first: tpm::EkTemplates is in the order
// of preference.
const tpm::EkTemplate& ChooseEkTemplate(const std::vector<TPM2_HANDLE>& nv_indices);

Result<EndorsementKey> ReadEndorsementKey(tpm::Device& device);

// What `stored`, the content of the certificate's index, is for `ek`: sets certificate or
// certificate_problem.
void ReadCertificate(ByteView stored, EndorsementKey& ek);

std::string EkHash(const EndorsementKey& ek);  // 64 hex digits
std::string KeyTypeText(const crypto::PublicKey& key);
// The public key's block, then the certificate's if there is one.
std::string EkPem(const EndorsementKey& ek);
std::string EkText(const EndorsementKey& ek);
Json EkJson(const EndorsementKey& ek);

}  // namespace lodekey::cli
