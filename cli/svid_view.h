// What `svid …` prints, and the files it writes.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/json.h"
#include "crypto/certificate.h"
#include "crypto/secret.h"
#include "spiffe/workload.pb.h"

namespace lodekey::cli {

// An X.509-SVID of the Workload API, taken apart.
struct SvidView {
  std::string spiffe_id;
  std::string hint;
  std::vector<crypto::Certificate> chain;  // leaf first
  std::vector<crypto::Certificate> bundle;
  crypto::Secret key_pem;
};

// kUntrusted ("svid-invalid") when the agent answers with what is no SVID.
Result<std::vector<SvidView>> ReadSvids(const X509SVIDResponse& response);

// Everything but the keys.
std::string SvidsText(const std::vector<SvidView>& svids);
Json SvidsJson(const std::vector<SvidView>& svids);

// "svid.N.pem", "svid.N.key" (0600) and "bundle.N.pem" in `directory`, which is made (0700) where
// it is missing; returns the paths.
Result<std::vector<std::string>> WriteSvids(const std::vector<SvidView>& svids,
                                            const std::string& directory);

std::string JwtSvidsText(const JWTSVIDResponse& response);
Json JwtSvidsJson(const JWTSVIDResponse& response);

}  // namespace lodekey::cli
