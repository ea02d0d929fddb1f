// One item of an Issue request. What is read is within its bounds, and what is not has a name.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "issuer/workload_request.h"
#include "lodekey/node/v1/node_service.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lodekey::issuer;

  lodekey::node::v1::IssueItem item;
  if (!item.ParseFromArray(data, static_cast<int>(size))) return 0;
  const auto read = ReadIssueItem(item);
  if (!read) {
    if (read.error().name.empty()) std::abort();
    return 0;
  }
  if (read->entry_id.empty() || read->selectors.size() > kMaxItemSelectors) std::abort();
  if (const auto* key = std::get_if<lodekey::crypto::PublicKey>(&read->subject)) {
    if (key->type() != lodekey::crypto::KeyType::kEcP256) std::abort();
  } else if (std::get<Audiences>(read->subject).empty()) {
    std::abort();
  }
  return 0;
}
