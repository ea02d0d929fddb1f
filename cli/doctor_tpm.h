// doctor's look at the chip, and what it thinks of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "cli/check.h"
#include "cli/endorsement_key.h"
#include "tpm/device.h"
#include "tpm/pcr.h"

namespace lodekey::cli {

// What the chip showed; a part that is absent could not be read, and `problem` says why.
struct TpmObservation {
  std::optional<Error> problem = {};
  std::optional<tpm::TpmProperties> properties = {};
  std::optional<EkCertificate> ek = {};
  std::optional<tpm::PcrBank> registers = {};  // 8 to 15, SHA-256
};

// Gives up after `limit`: a chip, or an emulator that serves another program, may not answer for
// ever. The thread that waits is then left behind until the program ends.
TpmObservation ObserveTpm(const std::string& tcti, Duration limit);

// What the register of the ledger should hold.
struct LedgerExpectation {
  bool known = true;                 // false: the setting is wrong, and the register is not judged
  std::optional<uint32_t> pcr = {};  // as configured; nullopt: none
  bool enrolled = false;  // the agent runs and is enrolled, so its issuer has judged the register
  Bytes recorded =
      {};  // what the agent's ledger file says; empty: it says nothing, or is not readable
};

// "tpm-device", "ek-certificate", "pcr-bank", "ledger-register". Pure.
std::vector<Check> CheckTpm(const TpmObservation& observation, const LedgerExpectation& ledger);

// "ledger-register" alone.
Check CheckLedgerRegister(const tpm::PcrBank& registers, const LedgerExpectation& ledger);

}  // namespace lodekey::cli
