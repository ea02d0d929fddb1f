// What the Workload API sends, serialised. Private keys are in it: whoever has the bytes wipes them
// (crypto::WipeBytes).
#pragma once

#include "agent/svid_book.h"
#include "base/bytes.h"

namespace lodekey::agent {

using WorkloadMessage = Bytes (*)(const Identities&);

Bytes FormatX509Svids(const Identities& identities);    // X509SVIDResponse
Bytes FormatX509Bundles(const Identities& identities);  // X509BundlesResponse
Bytes FormatJwtBundles(const Identities& identities);   // JWTBundlesResponse

}  // namespace lodekey::agent
