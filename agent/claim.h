// The claim: the agent's first act in a boot. It extends the ledger register with its AK's name, so
// that no other AK can pass for the node until the next boot.
#pragma once

#include <optional>

#include "agent/state.h"
#include "base/result.h"
#include "tpm/device.h"

namespace lodekey::agent {

// Claims `register_number` for `ak_name` unless this boot's ledger has a claim already, for it or
// for an AK before it. The record is on disk before the TPM extends, so a crash between the two is
// mended at the next start. kHardware ("ledger-register-busy") when the register holds neither what
// the ledger says nor what it said before its last record; kConflict ("ledger-register-changed")
// when the claim of this boot is in another register.
Result<void> ClaimRegister(tpm::Device& device, State& state, uint8_t register_number,
                           const tpm::Name& ak_name);

}  // namespace lodekey::agent
