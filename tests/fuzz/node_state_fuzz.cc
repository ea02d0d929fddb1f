// The state column of a node. What is accepted must be stored again and read back as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "issuer/node_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using lodekey::issuer::DecodeNodeState;
  using lodekey::issuer::Standing;
  static const lodekey::issuer::NodeId kId(64, '0');

  const auto record = DecodeNodeState(kId, 1, Standing::kActive, lodekey::AsText({data, size}));
  if (!record) return 0;
  const auto again = DecodeNodeState(kId, 1, Standing::kActive, EncodeNodeState(*record));
  if (!again || *again != *record) std::abort();
  return 0;
}
