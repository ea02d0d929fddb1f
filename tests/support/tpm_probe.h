// A TCTI that stands between ESYS and the real one: counts commands and bytes, records command
// codes, and injects faults. For tests and benchmarks.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <tss2/tss2_tcti.h>

#include "base/result.h"

namespace lodekey::test {

struct TpmTraffic {
  size_t commands = 0;
  size_t bytes_sent = 0;
  size_t bytes_received = 0;
  std::vector<uint32_t> codes = {};  // TPM_CC of each command, in order
};

class TpmProbe {
 public:
  // Opens `tcti` beneath. The returned context is given to tpm::Device::Open with
  // TpmProbe::Finalize.
  static Result<TSS2_TCTI_CONTEXT*> Open(const std::string& tcti, TpmProbe* probe);
  static void Finalize(TSS2_TCTI_CONTEXT* context);

  const TpmTraffic& traffic() const { return traffic_; }
  void Reset() { traffic_ = {}; }
  // Every byte that crossed, both directions, while set: for the search for secrets.
  bool record = false;
  std::vector<uint8_t> recorded;
  // Called before each command with its index since Reset and its code; a nonzero response code is
  // answered in the TPM's place.
  std::function<uint32_t(size_t index, uint32_t code)> fault;

  TpmTraffic traffic_;  // written by the TCTI functions
};

}  // namespace lodekey::test
