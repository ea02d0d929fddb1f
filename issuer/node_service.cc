#include "issuer/node_service.h"

#include "attest/evidence.h"
#include "attest/ledger.h"
#include "base/guarded.h"
#include "issuer/attestation.h"
#include "issuer/enroller.h"
#include "issuer/field_count.h"
#include "issuer/grpc_error.h"
#include "issuer/rate_limit.h"
#include "lodekey/node/v1/node_service.grpc.pb.h"
#include "platform/clock.h"

namespace lodekey::issuer {
namespace {

namespace node = lodekey::node::v1;
namespace pb = google::protobuf;

// Bytes of a request, beside which nothing is parsed. A stranger's first is keys and certificates.
constexpr size_t kMaxKeys = size_t{64} << 10;
constexpr size_t kMaxEvidence =
    attest::kMaxBootLogSize + attest::kMaxImaChunk + attest::kMaxLedgerSize + kMaxKeys;
// Evidence with 24 registers has eighty, and whoever adds fields later will add few.
constexpr size_t kMaxFields = 256;

// Runs `body`; what a library throws ends the call, not the process.
template <class Body>
grpc::ServerUnaryReactor* EndingCall(grpc::CallbackServerContext* context, Body body) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const Result<void> done = Guarded("the call", [&]() -> Result<void> {
    body(reactor);
    return {};
  });
  if (!done)
    reactor->Finish(ToGrpcStatus(*context, done.error(), Audience::kStranger, "exception"));
  return reactor;
}

Result<void> Parse(const grpc::ByteBuffer& buffer, size_t max_bytes, pb::Message& message) {
  if (buffer.Length() > max_bytes) {
    return Fail(Code::kInvalidArgument, "the request has more bytes than its method takes",
                {.name = "request-too-large"});
  }
  grpc::Slice slice;
  if (!buffer.DumpToSingleSlice(&slice).ok()) return Fail(Code::kInternal, "the request is gone");
  const ByteView bytes(slice.begin(), slice.size());
  RETURN_IF_ERROR(CheckFieldCount(bytes, *message.GetDescriptor(), kMaxFields), "request");
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return {};
  return Fail(Code::kInvalidArgument, "the request does not parse", {.name = "request-malformed"});
}

Result<grpc::ByteBuffer> Serialise(const pb::Message& message) {
  const std::string bytes = message.SerializeAsString();
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

// The certificate of the connection, whose key the handshake proved.
Result<std::string_view> PeerPem(const grpc::CallbackServerContext& context) {
  const auto found = context.auth_context()->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (found.size() == 1) return std::string_view(found.front().data(), found.front().size());
  return Fail(Code::kUntrusted, "the peer showed no certificate",
              {.name = "peer-certificate", .advice = "The agent enrols first."});
}

// A flood is not logged: it must not fill the log.
grpc::Status RefuseTooMany(grpc::CallbackServerContext& context, const std::string& name) {
  context.AddTrailingMetadata("lodekey-error", name);
  return {grpc::StatusCode::RESOURCE_EXHAUSTED, name + ": try again later"};
}

grpc::Status Refuse(grpc::CallbackServerContext& context, const Error& error, Audience audience,
                    std::string_view call) {
  if (error.name.starts_with("too-many-")) return RefuseTooMany(context, error.name);
  return ToGrpcStatus(context, error, audience, call);
}

// Where the answer to one call goes.
template <class Response>
Reply<Response> Answer(grpc::CallbackServerContext* context, grpc::ServerUnaryReactor* reactor,
                       grpc::ByteBuffer* response, Audience audience, std::string_view call) {
  return [=](const Result<Response>& result) {
    const auto written = Guarded("the answer", [&]() -> Result<grpc::ByteBuffer> {
      if (!result) return std::unexpected(result.error());
      return Serialise(*result);
    });
    if (written) {
      *response = *written;
      return reactor->Finish(grpc::Status::OK);
    }
    // What a refusal that throws as well leaves to the caller.
    grpc::Status status(grpc::StatusCode::INTERNAL, "internal");
    static_cast<void>(Guarded("the refusal", [&]() -> Result<void> {
      status = Refuse(*context, written.error(), audience, call);
      return {};
    }));
    reactor->Finish(status);
  };
}

// The methods take bytes, so that they are bounded before they are parsed.
using RawService = node::NodeService::WithRawCallbackMethod_StartEnrolment<
    node::NodeService::WithRawCallbackMethod_FinishEnrolment<
        node::NodeService::WithRawCallbackMethod_Attest<node::NodeService::Service>>>;

class Service final : public RawService {
 public:
  Service(Context& context, Connections& connections)
      : enroller_(context),
        attestation_(context),
        enrol_sources_(RateLimit::kNoTotal, context.config.enrolments_per_source),
        connections_(connections) {}

 private:
  grpc::ServerUnaryReactor* StartEnrolment(grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* response) override {
    return EndingCall(context, [&](grpc::ServerUnaryReactor* reactor) {
      if (!Allowed(*context, enrol_sources_))
        return reactor->Finish(RefuseTooMany(*context, "too-many-enrolments"));
      const auto answer = Answer<node::StartEnrolmentResponse>(
          context, reactor, response, Audience::kStranger, "StartEnrolment");
      node::StartEnrolmentRequest message;
      if (const auto parsed = Parse(*request, kMaxKeys, message); !parsed)
        return answer(std::unexpected(parsed.error()));
      answer(enroller_.Start(message));
    });
  }

  grpc::ServerUnaryReactor* FinishEnrolment(grpc::CallbackServerContext* context,
                                            const grpc::ByteBuffer* request,
                                            grpc::ByteBuffer* response) override {
    return EndingCall(context, [&](grpc::ServerUnaryReactor* reactor) {
      if (!Allowed(*context, enrol_sources_))
        return reactor->Finish(RefuseTooMany(*context, "too-many-enrolments"));
      const auto answer = Answer<node::FinishEnrolmentResponse>(
          context, reactor, response, Audience::kStranger, "FinishEnrolment");
      node::FinishEnrolmentRequest message;
      if (const auto parsed = Parse(*request, kMaxEvidence, message); !parsed)
        return answer(std::unexpected(parsed.error()));
      enroller_.Finish(message, answer);
    });
  }

  grpc::ServerUnaryReactor* Attest(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override {
    return EndingCall(context, [&](grpc::ServerUnaryReactor* reactor) {
      if (!Allowed(*context, attest_sources_))
        return reactor->Finish(RefuseTooMany(*context, "too-many-attestations"));
      const auto peer = PeerOf(*context);
      if (!peer)
        return reactor->Finish(ToGrpcStatus(*context, peer.error(), Audience::kStranger, "Attest"));
      const auto answer =
          Answer<node::AttestResponse>(context, reactor, response, Audience::kNode, "Attest");
      node::AttestRequest message;
      if (const auto parsed = Parse(*request, kMaxEvidence, message); !parsed)
        return answer(std::unexpected(parsed.error()));
      attestation_.Attest(*peer, message, [=, this](Result<node::AttestResponse> result) {
        answer(Guarded("the proven node", [&]() -> Result<node::AttestResponse> {
          // Only a proven node is worth knowing.
          if (result) NoteNode(*context, *peer);
          return std::move(result);
        }));
      });
    });
  }

  // By source alone: whatever strangers from many addresses share, they could use up.
  static bool Allowed(const grpc::CallbackServerContext& context, RateLimit& sources) {
    return sources.Allow(SourceOf(context.peer()), platform::Uptime());
  }

  Result<Peer> PeerOf(const grpc::CallbackServerContext& context) {
    ASSIGN_OR_RETURN(const std::string_view pem, PeerPem(context), "peer");
    if (auto known = certificates_.Find(pem)) return Peer{.certificate = *std::move(known)};
    ASSIGN_OR_RETURN(auto certificate, crypto::Certificate::FromPem(pem), "peer");
    return Peer{.certificate = std::move(certificate)};
  }

  void NoteNode(const grpc::CallbackServerContext& context, const Peer& peer) {
    if (const auto pem = PeerPem(context)) certificates_.Keep(*pem, peer.certificate);
    const auto uris = peer.certificate.UriSans();
    if (uris.size() == 1)
      connections_.Note(uris.front().substr(uris.front().rfind('/') + 1), context.peer());
  }

  Enroller enroller_;
  Attestation attestation_;
  RateLimit enrol_sources_;
  RateLimit attest_sources_{RateLimit::kNoTotal, 1000};
  Connections& connections_;
  ParsedCache<crypto::Certificate> certificates_{kKnownPeers};
};

}  // namespace

std::unique_ptr<grpc::Service> MakeNodeService(Context& context, Connections& connections) {
  return std::make_unique<Service>(context, connections);
}

}  // namespace lodekey::issuer
