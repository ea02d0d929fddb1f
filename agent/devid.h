// The host's DevID: certificates that its operator, or the maker of the device, gave it, for a key
// in the same chip (TCG, TPM 2.0 Keys for Device Identity and Attestation).
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "platform/agent_config.h"
#include "tpm/device.h"

namespace lodekey::agent {

// What an enrolment begins with.
struct DevIdOffer {
  std::vector<Bytes> certificates;  // DER, leaf first
  tpm::PublicArea key;
};

// Reads files, and at most the public part of the key from the chip. kInvalidArgument
// ("devid-certificate-malformed", "devid-key-mismatch", "devid-key-policy": adminWithPolicy) and
// errors of files and chip.
Result<DevIdOffer> ReadDevId(tpm::Device& device, const platform::DevIdConfig& config);

// TPM2_Certify of the DevID's key by the AK, which shows that both are in one chip. The key is in
// the chip only while this runs.
Result<tpm::Quoted> CertifyDevId(tpm::Device& device, const platform::DevIdConfig& config,
                                 const tpm::LoadedKey& ak, ByteView qualifying);

}  // namespace lodekey::agent
