#include "agent/x509_svid.h"

#include <fmt/format.h>

#include "crypto/certificate.h"

namespace lodekey::agent {
namespace {

constexpr int kMaxChain = 8;

std::unexpected<Error> Invalid(const std::string& spiffe_id, std::string_view why) {
  return Fail(
      Code::kUntrusted,
      fmt::format("the issuer's certificate for {} is not what was asked for: {}", spiffe_id, why),
      {.name = "svid-invalid", .advice = "It is asked for again by itself."});
}

}  // namespace

Result<X509Svid> ReadX509Svid(const lodekey::node::v1::IssuedX509& issued,
                              const std::string& spiffe_id, const crypto::PrivateKey& key) {
  if (issued.certificates().empty() || issued.certificates_size() > kMaxChain)
    return Invalid(spiffe_id, "its chain has no certificate, or too many");
  X509Svid svid{.spiffe_id = spiffe_id, .chain = {}, .key = {}, .not_before = {}, .not_after = {}};
  for (const std::string& der : issued.certificates()) {
    ASSIGN_OR_RETURN(const auto certificate, crypto::Certificate::FromDer(AsBytes(der)),
                     "workload certificate");
    if (svid.chain.empty()) {
      const auto uris = certificate.UriSans();
      if (uris.size() != 1 || uris.front() != spiffe_id)
        return Invalid(spiffe_id, "it names another identity");
      if (!(certificate.key() == key.public_key())) return Invalid(spiffe_id, "its key is another");
      svid.not_before = certificate.not_before();
      svid.not_after = certificate.not_after();
    }
    svid.chain += der;
  }
  ASSIGN_OR_RETURN(svid.key, key.ToDer(), "workload key");
  return svid;
}

}  // namespace lodekey::agent
