#include "agent/workload_messages.h"

#include <cstring>
#include <string>

#include "spiffe/workload.pb.h"

namespace lodekey::agent {
namespace {

Bytes Serialize(const google::protobuf::MessageLite& message) {
  Bytes bytes(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(bytes.data());
  return bytes;
}

}  // namespace

Bytes FormatX509Svids(const Identities& identities) {
  X509SVIDResponse response;
  for (const HeldSvid& held : identities.svids) {
    X509SVID& svid = *response.add_svids();
    svid.set_spiffe_id(held.svid->spiffe_id);
    svid.set_x509_svid(held.svid->chain);
    const ByteView key = held.svid->key.Reveal();
    svid.set_x509_svid_key(key.data(), key.size());
    svid.set_bundle(identities.bundle->roots);
    svid.set_hint(held.entry->hint);
  }
  Bytes bytes = Serialize(response);
  for (X509SVID& svid : *response.mutable_svids()) {
    std::string& key = *svid.mutable_x509_svid_key();
    ::explicit_bzero(key.data(), key.size());
  }
  return bytes;
}

Bytes FormatX509Bundles(const Identities& identities) {
  X509BundlesResponse response;
  (*response.mutable_bundles())[identities.bundle->Id()] = identities.bundle->roots;
  return Serialize(response);
}

Bytes FormatJwtBundles(const Identities& identities) {
  JWTBundlesResponse response;
  (*response.mutable_bundles())[identities.bundle->Id()] = identities.bundle->jwks;
  return Serialize(response);
}

}  // namespace lodekey::agent
