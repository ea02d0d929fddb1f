#include "agent/identity.h"

namespace lodekey::agent {
namespace {

constexpr int kMaxChain = 8;

std::unexpected<Error> Invalid(std::string why) {
  return Fail(Code::kUntrusted, "the node certificate is not one for this host: " + why,
              {.name = "identity-invalid", .advice = "The agent enrols again by itself."});
}

}  // namespace

std::string NodeIdentity::ChainPem() const {
  std::string pem;
  for (const crypto::Certificate& certificate : chain) pem += certificate.ToPem();
  return pem;
}

Result<NodeIdentity> ReadIdentity(
    const google::protobuf::RepeatedPtrField<std::string>& certificates,
    const crypto::PublicKey& node_key) {
  if (certificates.empty() || certificates.size() > kMaxChain)
    return Invalid("its chain has no certificate, or too many");
  NodeIdentity identity;
  for (const std::string& der : certificates) {
    ASSIGN_OR_RETURN(crypto::Certificate certificate, crypto::Certificate::FromDer(AsBytes(der)),
                     "node certificate");
    identity.chain.push_back(std::move(certificate));
  }
  if (!(identity.leaf().key() == node_key)) return Invalid("its key is another");
  if (identity.leaf().UriSans().size() != 1) return Invalid("it does not have exactly one URI");
  return identity;
}

}  // namespace lodekey::agent
