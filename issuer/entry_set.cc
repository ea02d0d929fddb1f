#include "issuer/entry_set.h"

#include "attest/entry_codec.h"

namespace lodekey::issuer {
namespace {

namespace node = lodekey::node::v1;

constexpr size_t kFieldOverhead = 6;  // tag and length of one entry

node::UnusableEntry Unusable(const attest::Entry& entry, const Error& reason) {
  node::UnusableEntry unusable;
  unusable.set_entry_id(entry.id);
  unusable.set_code(std::string(reason.Name()));
  unusable.set_text(reason.text);
  unusable.set_advice(reason.advice);
  return unusable;
}

// Takes messages while they fit.
class Room {
 public:
  explicit Room(size_t taken) : taken_(taken) {}
  bool Takes(const google::protobuf::Message& message) {
    const size_t size = message.ByteSizeLong() + kFieldOverhead;
    if (count_ == kMaxSetEntries || taken_ + size > kMaxSetBytes) return false;
    taken_ += size;
    ++count_;
    return true;
  }

 private:
  size_t taken_;
  size_t count_ = 0;
};

}  // namespace

NodeEntries EntriesOf(const std::vector<const attest::Entry*>& entries,
                      const attest::Labels& labels, const node::Bundle& bundle, Time now) {
  NodeEntries result;
  *result.set.mutable_bundle() = bundle;
  Room room(result.set.ByteSizeLong());
  for (const attest::Entry* entry : entries) {
    if (attest::HasExpired(*entry, now)) continue;
    // What is left out is left out from there on: the oldest stay, whatever their size.
    bool taken = result.left_out == 0;
    if (const auto id = attest::ExpandSpiffeId(*entry, labels); id) {
      lodekey::entry::v1::Entry message = attest::EncodeEntry(*entry);
      message.clear_scope();
      message.set_spiffe_id(id->ToString());
      taken = taken && room.Takes(message);
      if (taken) *result.set.add_entries() = std::move(message);
    } else {
      node::UnusableEntry message = Unusable(*entry, id.error());
      taken = taken && room.Takes(message);
      if (taken) *result.set.add_unusable() = std::move(message);
    }
    if (!taken) ++result.left_out;
  }
  return result;
}

}  // namespace lodekey::issuer
