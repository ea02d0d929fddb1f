#include "agent/workload_state.h"

#include <algorithm>
#include <limits>

#include <openssl/asn1.h>
#include <openssl/err.h>

#include "attest/codec.h"
#include "attest/entry_codec.h"
#include "lodekey/agent/v1/agent_state.pb.h"

namespace lodekey::agent {
namespace {

namespace api = lodekey::agent::v1;
namespace node = lodekey::node::v1;

constexpr uint32_t kVersion = 1;

std::unexpected<Error> Invalid(std::string_view why) {
  return Fail(Code::kUntrusted,
              "what was kept for the workloads cannot be used: " + std::string(why),
              {.name = "workload-state-invalid"});
}

std::unexpected<Error> Other(std::string_view why) {
  return Fail(Code::kConflict, "what was kept for the workloads is of " + std::string(why),
              {.name = "workload-state-other"});
}

// Protobuf does not wipe its strings.
struct WipedState {
  api::WorkloadState message;
  WipedState() = default;
  WipedState(const WipedState&) = delete;
  WipedState& operator=(const WipedState&) = delete;
  ~WipedState() {
    for (auto& svid : *message.mutable_svids())
      OPENSSL_cleanse(svid.mutable_key()->data(), svid.key().size());
  }
};

// DER values that stand one behind the other.
using Fields = google::protobuf::RepeatedPtrField<std::string>;
Result<void> Split(const std::string& values, Fields& out) {
  const auto* at = AsBytes(values).data();
  const auto* const end = at + values.size();
  while (at != end) {
    const auto* content = at;
    long size = 0;
    int tag = 0;
    int tag_class = 0;
    const int found = ASN1_get_object(&content, &size, &tag, &tag_class, end - at);
    ERR_clear_error();
    if ((found & 0x81) != 0) return Invalid("a certificate has no end");  // failed, or indefinite
    out.Add()->assign(reinterpret_cast<const char*>(at), static_cast<size_t>(content + size - at));
    at = content + size;
  }
  return {};
}

Result<node::EntrySet> EncodeSet(const EntrySet& set) {
  node::EntrySet message;
  for (const EntryPtr& entry : set.entries) *message.add_entries() = attest::EncodeEntry(*entry);
  message.mutable_unusable()->Add(set.unusable.begin(), set.unusable.end());
  node::Bundle& bundle = *message.mutable_bundle();
  bundle.set_sequence(set.bundle->sequence);
  RETURN_IF_ERROR(Split(set.bundle->roots, *bundle.mutable_roots()), "roots");
  for (const crypto::JwtKey& key : set.bundle->jwt_keys) {
    auto& encoded = *bundle.add_jwt_keys();
    encoded.set_id(key.id);
    encoded.set_public_key(attest::ToField(key.key.spki_der()));
  }
  return message;
}

Result<HeldSvid> DecodeSvid(const EntrySet& set, const api::KeptSvid& kept) {
  const auto entry = std::ranges::find(set.entries, kept.entry_id(),
                                       [](const EntryPtr& one) -> const auto& { return one->id; });
  if (entry == set.entries.end()) return Invalid("an SVID without its entry");
  ASSIGN_OR_RETURN(const auto key,
                   crypto::PrivateKey::FromDer(crypto::Secret::Copy(AsBytes(kept.key()))),
                   "kept key");
  node::IssuedX509 issued;
  *issued.mutable_certificates() = kept.certificates();
  ASSIGN_OR_RETURN(X509Svid svid, ReadX509Svid(issued, (*entry)->spiffe_id, key), "kept SVID");
  return HeldSvid{.entry = *entry, .svid = std::make_shared<const X509Svid>(std::move(svid))};
}

}  // namespace

Result<crypto::Secret> EncodeWorkloads(const WorkloadOwner& owner, const SvidBook::Kept& kept) {
  WipedState state;
  state.message.set_version(kVersion);
  state.message.set_trust_domain(owner.trust_domain);
  state.message.set_node_id(owner.node_id);
  state.message.set_node_key_name(owner.node_key_name);
  ASSIGN_OR_RETURN(*state.message.mutable_entries(), EncodeSet(kept.set), "entries");
  for (const HeldSvid& held : kept.svids) {
    auto& svid = *state.message.add_svids();
    svid.set_entry_id(held.entry->id);
    RETURN_IF_ERROR(Split(held.svid->chain, *svid.mutable_certificates()), "SVID");
    svid.set_key(std::string(AsText(held.svid->key.Reveal())));
  }
  Bytes encoded(state.message.ByteSizeLong());
  if (encoded.size() > std::numeric_limits<int>::max() ||
      !state.message.SerializeToArray(encoded.data(), static_cast<int>(encoded.size())))
    return Invalid("there is too much of it");
  return crypto::Secret::Take(std::move(encoded));
}

Result<SvidBook::Kept> DecodeWorkloads(const WorkloadOwner& owner, ByteView encoded) {
  WipedState state;
  if (encoded.size() > std::numeric_limits<int>::max() ||
      !state.message.ParseFromArray(encoded.data(), static_cast<int>(encoded.size())))
    return Invalid("it does not parse");
  const api::WorkloadState& message = state.message;
  if (message.version() != kVersion) return Other("another version of lodekey");
  const WorkloadOwner found{.trust_domain = message.trust_domain(),
                            .node_id = message.node_id(),
                            .node_key_name = message.node_key_name()};
  if (found != owner) return Other("another boot, node or trust domain");
  SvidBook::Kept kept;
  ASSIGN_OR_RETURN(kept.set, ReadEntrySet(message.entries(), owner.trust_domain), "kept entries");
  for (const auto& svid : message.svids()) {
    ASSIGN_OR_RETURN(HeldSvid held, DecodeSvid(kept.set, svid), "restore");
    kept.svids.push_back(std::move(held));
  }
  return kept;
}

}  // namespace lodekey::agent
