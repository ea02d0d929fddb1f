#include "tests/issuer/port_client.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "crypto/encoding.h"
#include "tests/support/must.h"

namespace lodekey::test {

ClientIdentity IdentityOf(const crypto::Certificate& certificate, const crypto::PrivateKey& key) {
  const crypto::Secret pem = Must(key.ToPem());
  return {.chain_pem = certificate.ToPem(), .key_pem = std::string(AsText(pem.Reveal()))};
}

ClientIdentity IdentityOf(const Host& host) {
  ClientIdentity identity = IdentityOf(host.certificate(), *host.tpm().node_key().key);
  identity.chain_pem.clear();
  for (const crypto::Certificate& certificate : host.certificates)
    identity.chain_pem += certificate.ToPem();
  return identity;
}

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address,
                                           const crypto::Certificate& authority,
                                           const ClientIdentity& identity) {
  namespace tls = grpc::experimental;
  std::vector<tls::IdentityKeyCertPair> pairs;
  if (!identity.chain_pem.empty()) pairs.push_back({identity.key_pem, identity.chain_pem});
  const auto provider =
      std::make_shared<tls::StaticDataCertificateProvider>(authority.ToPem(), pairs);
  tls::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(provider);
  options.watch_root_certs();
  if (!pairs.empty()) options.watch_identity_key_cert_pairs();
  options.set_check_call_host(false);
  options.set_certificate_verifier(std::make_shared<tls::NoOpCertificateVerifier>());
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, tls::TlsCredentials(options), arguments);
}

std::unique_ptr<PortStub> ConnectToPort(const std::string& address,
                                        const crypto::Certificate& authority,
                                        const ClientIdentity& identity) {
  return node::NodeService::NewStub(OpenChannel(address, authority, identity));
}

Result<void> EnrolThroughPort(PortStub& anonymous, Host& host) {
  node::StartEnrolmentResponse started;
  grpc::Status status = Call(anonymous, &PortStub::StartEnrolment, host.Start(), started);
  if (!status.ok()) return Fail(Code::kInternal, "StartEnrolment: " + status.error_message());
  ASSIGN_OR_RETURN(const auto finish, host.Finish(started), "enrol");
  node::FinishEnrolmentResponse finished;
  status = Call(anonymous, &PortStub::FinishEnrolment, finish, finished);
  if (!status.ok()) return Fail(Code::kInternal, "FinishEnrolment: " + status.error_message());
  host.Take(finished);
  if (host.certificates.empty()) return Fail(Code::kInternal, "the host was refused");
  return {};
}

}  // namespace lodekey::test
