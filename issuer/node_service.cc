#include "issuer/node_service.h"

#include "issuer/attestation.h"
#include "issuer/enroller.h"
#include "issuer/grpc_error.h"
#include "lodekey/node/v1/node_service.grpc.pb.h"
#include "platform/clock.h"

namespace lodekey::issuer {
namespace {

namespace node = lodekey::node::v1;

// Runs `body`; what a library throws ends the call, not the process.
template <class Body>
grpc::ServerUnaryReactor* Guarded(grpc::CallbackServerContext* context, Body body) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  try {
    body(reactor);
  } catch (const std::exception& exception) {
    reactor->Finish(ToGrpcStatus(*context, Error{.code = Code::kInternal, .text = exception.what()},
                                 Audience::kStranger, "exception"));
  }
  return reactor;
}

Result<Peer> PeerOf(const grpc::CallbackServerContext& context) {
  const auto found = context.auth_context()->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (found.size() != 1) {
    return Fail(Code::kUntrusted, "the peer showed no certificate",
                {.name = "peer-certificate", .advice = "The agent enrols first."});
  }
  ASSIGN_OR_RETURN(
      auto certificate,
      crypto::Certificate::FromPem(std::string_view(found.front().data(), found.front().size())),
      "peer");
  return Peer{.certificate = std::move(certificate)};
}

class Service final : public node::NodeService::CallbackService {
 public:
  Service(Context& context, RateLimit& limit, Connections& connections)
      : enroller_(context), attestation_(context), limit_(limit), connections_(connections) {}

 private:
  grpc::ServerUnaryReactor* StartEnrolment(grpc::CallbackServerContext* context,
                                           const node::StartEnrolmentRequest* request,
                                           node::StartEnrolmentResponse* response) override {
    return Guarded(context, [&](grpc::ServerUnaryReactor* reactor) {
      if (!Admitted(*context, reactor)) return;
      auto started = enroller_.Start(*request);
      if (!started)
        return reactor->Finish(
            ToGrpcStatus(*context, started.error(), Audience::kStranger, "StartEnrolment"));
      *response = *std::move(started);
      reactor->Finish(grpc::Status::OK);
    });
  }

  grpc::ServerUnaryReactor* FinishEnrolment(grpc::CallbackServerContext* context,
                                            const node::FinishEnrolmentRequest* request,
                                            node::FinishEnrolmentResponse* response) override {
    return Guarded(context, [&](grpc::ServerUnaryReactor* reactor) {
      if (!Admitted(*context, reactor)) return;
      enroller_.Finish(*request,
                       Answer(context, reactor, response, Audience::kStranger, "FinishEnrolment"));
    });
  }

  grpc::ServerUnaryReactor* Attest(grpc::CallbackServerContext* context,
                                   const node::AttestRequest* request,
                                   node::AttestResponse* response) override {
    return Guarded(context, [&](grpc::ServerUnaryReactor* reactor) {
      if (!attest_limit_.Allow(SourceOf(context->peer()), platform::Uptime()))
        return RefuseTooMany(*context, reactor, "too-many-attestations");
      const auto peer = PeerOf(*context);
      if (!peer)
        return reactor->Finish(ToGrpcStatus(*context, peer.error(), Audience::kStranger, "Attest"));
      const auto answer = Answer(context, reactor, response, Audience::kNode, "Attest");
      attestation_.Attest(*peer, *request, [=, this](Result<node::AttestResponse> result) {
        // Only a proven node has a connection worth knowing.
        if (result) NoteConnection(*context, *peer);
        answer(std::move(result));
      });
    });
  }

  bool Admitted(grpc::CallbackServerContext& context, grpc::ServerUnaryReactor* reactor) {
    if (limit_.Allow(SourceOf(context.peer()), platform::Uptime())) return true;
    RefuseTooMany(context, reactor, "too-many-enrolments");
    return false;
  }

  // Not logged: a flood must not fill the log.
  static void RefuseTooMany(grpc::CallbackServerContext& context, grpc::ServerUnaryReactor* reactor,
                            const std::string& name) {
    context.AddTrailingMetadata("lodekey-error", name);
    reactor->Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, name + ": try again later"});
  }

  void NoteConnection(const grpc::CallbackServerContext& context, const Peer& peer) {
    const auto uris = peer.certificate.UriSans();
    if (uris.size() == 1)
      connections_.Note(uris.front().substr(uris.front().rfind('/') + 1), context.peer());
  }

  template <class Response>
  static Reply<Response> Answer(grpc::CallbackServerContext* context,
                                grpc::ServerUnaryReactor* reactor, Response* response,
                                Audience audience, std::string_view call) {
    return [=](Result<Response> result) {
      if (!result) return reactor->Finish(ToGrpcStatus(*context, result.error(), audience, call));
      *response = *std::move(result);
      reactor->Finish(grpc::Status::OK);
    };
  }

  Enroller enroller_;
  Attestation attestation_;
  RateLimit& limit_;
  // A million hosts attest 1,700 times a second; behind one address there are fewer.
  RateLimit attest_limit_{20000, 1000};
  Connections& connections_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeNodeService(Context& context, RateLimit& limit,
                                               Connections& connections) {
  return std::make_unique<Service>(context, limit, connections);
}

}  // namespace lodekey::issuer
