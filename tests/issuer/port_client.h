// A host at the issuer's port: real gRPC over real TLS, with keys in memory.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "crypto/certificate.h"
#include "crypto/private_key.h"
#include "lodekey/node/v1/node_service.grpc.pb.h"
#include "tests/issuer/host.h"

namespace lodekey::test {

using PortStub = node::NodeService::Stub;

// What a client shows, as PEM; empty: nothing.
struct ClientIdentity {
  std::string chain_pem = {};
  std::string key_pem = {};
};
ClientIdentity IdentityOf(const crypto::Certificate& certificate, const crypto::PrivateKey& key);
// Of an enrolled host: its certificate, and the node key that the software TPM holds.
ClientIdentity IdentityOf(const Host& host);

// A connection of its own to the issuer at `address`, whose certificate must be under `authority`.
std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address,
                                           const crypto::Certificate& authority,
                                           const ClientIdentity& identity = {});
std::unique_ptr<PortStub> ConnectToPort(const std::string& address,
                                        const crypto::Certificate& authority,
                                        const ClientIdentity& identity = {});

// A call and what came back: the stable name of a refusal is in its trailers.
template <class Request, class Response>
grpc::Status Call(PortStub& stub,
                  grpc::Status (PortStub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request, Response& response, std::string* name = nullptr) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  const grpc::Status status = (stub.*method)(&context, request, &response);
  const auto found = context.GetServerTrailingMetadata().find("lodekey-error");
  if (name != nullptr && found != context.GetServerTrailingMetadata().end())
    *name = std::string(found->second.data(), found->second.size());
  return status;
}

// The whole enrolment of a host that is in the inventory; it takes what it is given. kInternal when
// it is refused.
Result<void> EnrolThroughPort(PortStub& anonymous, Host& host);

}  // namespace lodekey::test
