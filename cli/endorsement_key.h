// The endorsement key by which the issuer knows this host's TPM, read from the chip as the agent
// does.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/json.h"
#include "crypto/certificate.h"
#include "tpm/device.h"

namespace lodekey::cli {

// The certificate the vendor put into the chip.
struct EkCertificate {
  const tpm::EkTemplate* made_for = nullptr;  // the template of its key; never null
  std::optional<crypto::Certificate> certificate = {};
  std::string problem = {};  // why one that the chip holds is of no use
};

struct EndorsementKey {
  crypto::PublicKey key;
  EkCertificate stored;
};

// The template whose certificate the chip holds, else the first: tpm::EkTemplates is in the order
// of preference.
const tpm::EkTemplate& ChooseEkTemplate(const std::vector<TPM2_HANDLE>& nv_indices);

// Without creating the key, which takes a slot of the chip and may take seconds.
Result<EkCertificate> ReadEkCertificate(tpm::Device& device);

// Creates the key. A certificate for another key is one that is of no use.
Result<EndorsementKey> ReadEndorsementKey(tpm::Device& device);

// From the content of a certificate's index. Pure.
EkCertificate ParseEkCertificate(const tpm::EkTemplate& made_for, ByteView stored);

std::string EkHash(const EndorsementKey& ek);  // 64 hex digits
std::string KeyTypeText(const crypto::PublicKey& key);
// The public key's block, then the certificate's if there is one.
std::string EkPem(const EndorsementKey& ek);
std::string EkText(const EndorsementKey& ek);
Json EkJson(const EndorsementKey& ek);

}  // namespace lodekey::cli
