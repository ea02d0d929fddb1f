// The attester (RFC 9334) on a host: gathers evidence from the chip and the kernel's logs.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "attest/binding.h"
#include "attest/evidence.h"
#include "base/result.h"
#include "tpm/device.h"
#include "tpm/pcr.h"

namespace lodekey::attest {

// Where this host's evidence is, and what was sent of it before.
struct CollectContext {
  std::string boot_log_path;
  std::string ima_log_path;
  uint8_t ledger_pcr = kNoLedger;
  Bytes ledger = {};  // encoded, as far as recorded
};

// What the issuer has already, and wants.
struct Wanted {
  tpm::BankSelection selection;
  uint64_t ima_offset = 0;
  bool boot_log = false;  // send the log, not only its digest
  bool ledger = false;    // send the ledger
  std::optional<tpm::PcrBank> known_pcrs =
      {};  // values the issuer last accepted: not sent while they hold
};

// The boot log as the kernel shows it, with its digest; both empty where the host has none. Read
// once: it does not change within a boot.
struct BootLog {
  Bytes content = {};
  Bytes digest = {};  // SHA-256
};
Result<BootLog> ReadHostBootLog(const std::string& path);

struct Collected {
  Evidence evidence;
  tpm::PcrBank pcrs;  // the values under the quote
};

// One TPM2_Quote when the registers still hold `wanted.known_pcrs`; otherwise the registers are
// read too, until the values are those of the quote (at most five tries: kUnavailable,
// "pcrs-busy").
Result<Collected> Collect(tpm::Device& device, const tpm::LoadedKey& ak,
                          const CollectContext& context, const BootLog& boot_log,
                          const Wanted& wanted, ByteView qualifying);

}  // namespace lodekey::attest
