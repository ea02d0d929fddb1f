#include "issuer/node_service.h"

#include "attest/evidence.h"
#include "attest/ledger.h"
#include "base/guarded.h"
#include "issuer/attestation.h"
#include "issuer/enroller.h"
#include "issuer/entry_stream.h"
#include "issuer/field_count.h"
#include "issuer/grpc_error.h"
#include "issuer/issuance.h"
#include "issuer/strangers.h"
#include "issuer/workload_request.h"
#include "lodekey/node/v1/node_service.grpc.pb.h"

namespace lodekey::issuer {
namespace {

namespace node = lodekey::node::v1;
namespace pb = google::protobuf;

// Of a request, beyond which nothing is parsed.
struct Bounds {
  size_t bytes;
  size_t fields = 256;  // evidence with 24 registers has eighty, and later versions add few
};

// A stranger's first is keys and certificates.
constexpr Bounds kKeys = {.bytes = size_t{64} << 10};
constexpr Bounds kEvidence = {.bytes = attest::kMaxBootLogSize + attest::kMaxImaChunk +
                                       attest::kMaxLedgerSize + kKeys.bytes};
// An item is a field, and has its entry with revision, its kind with what that holds (audiences,
// scopes and a task), and selectors of three fields each.
constexpr size_t kItemFields =
    3 + 1 + attest::kMaxAudiences + attest::kMaxScopes + 1 + 3 * kMaxItemSelectors;
constexpr Bounds kItems = {.bytes = kMaxIssueItems * (size_t{16} << 10),
                           .fields = kMaxIssueItems * kItemFields};

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

Result<void> Parse(const grpc::ByteBuffer& buffer, const Bounds& bounds, pb::Message& message) {
  if (buffer.Length() > bounds.bytes) {
    return Fail(Code::kInvalidArgument, "the request has more bytes than its method takes",
                {.name = "request-too-large"});
  }
  grpc::Slice slice;
  if (!buffer.DumpToSingleSlice(&slice).ok()) return Fail(Code::kInternal, "the request is gone");
  const ByteView bytes(slice.begin(), slice.size());
  RETURN_IF_ERROR(CheckFieldCount(bytes, *message.GetDescriptor(), bounds.fields), "request");
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

// What waits with a call: of a record what may be large.
size_t WeightOf(const NodeRecord& record) {
  size_t bytes = record.last_verdict.size();
  if (record.enrolment) bytes += record.enrolment->ledger.size();
  for (const IssuedNonce& nonce : record.nonces) bytes += nonce.reply.size();
  return bytes;
}

Caller CallerOf(const grpc::CallbackServerContext& context) {
  return {.source = SourceOf(context.peer()), .address = AddressOf(context.peer())};
}

// A flood is not logged: it must not fill the log.
grpc::Status Refuse(grpc::CallbackServerContext& context, const Error& error, Audience audience,
                    std::string_view call) {
  if (!error.name.starts_with("too-many-")) return ToGrpcStatus(context, error, audience, call);
  context.AddTrailingMetadata("lodekey-error", error.name);
  return {grpc::StatusCode::RESOURCE_EXHAUSTED, error.name + ": try again later"};
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
        node::NodeService::WithRawCallbackMethod_Attest<
            node::NodeService::WithRawCallbackMethod_WatchEntries<
                node::NodeService::WithRawCallbackMethod_Issue<node::NodeService::Service>>>>>;

class Service final : public RawService {
 public:
  Service(Context& context, Connections& connections, EntryFeed& feed, WorkPool& pool)
      : strangers_(context.config),
        enroller_(context, strangers_),
        attestation_(context),
        issuance_(context),
        connections_(connections),
        feed_(feed),
        pool_(pool) {}

 private:
  grpc::ServerUnaryReactor* StartEnrolment(grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* response) override {
    return EndingCall(context, [&](grpc::ServerUnaryReactor* reactor) {
      const auto answer = Answer<node::StartEnrolmentResponse>(
          context, reactor, response, Audience::kStranger, "StartEnrolment");
      const Caller caller = CallerOf(*context);
      node::StartEnrolmentRequest message;
      if (const auto read = ReadEnrolment(caller.source, *request, kKeys, message); !read)
        return answer(std::unexpected(read.error()));
      Serve(*context,
            {.kind = WorkKind::kEnrolment, .user = caller.source, .bytes = request->Length()},
            answer, [this, answer, caller, message = std::move(message)] {
              answer(enroller_.Start(message, caller));
            });
    });
  }

  grpc::ServerUnaryReactor* FinishEnrolment(grpc::CallbackServerContext* context,
                                            const grpc::ByteBuffer* request,
                                            grpc::ByteBuffer* response) override {
    return EndingCall(context, [&](grpc::ServerUnaryReactor* reactor) {
      const auto answer = Answer<node::FinishEnrolmentResponse>(
          context, reactor, response, Audience::kStranger, "FinishEnrolment");
      const Caller caller = CallerOf(*context);
      node::FinishEnrolmentRequest message;
      if (const auto read = ReadEnrolment(caller.source, *request, kEvidence, message); !read)
        return answer(std::unexpected(read.error()));
      Serve(*context,
            {.kind = WorkKind::kEnrolment, .user = caller.source, .bytes = request->Length()},
            answer, [this, answer, caller, message = std::move(message)] {
              enroller_.Finish(message, caller, answer);
            });
    });
  }

  grpc::ServerUnaryReactor* Attest(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override {
    return EndingCall(context, [&](grpc::ServerUnaryReactor* reactor) {
      auto peer = Prove(*context);
      // Text and advice are for nodes; before that the caller is a stranger.
      const auto answer = Answer<node::AttestResponse>(
          context, reactor, response, peer ? Audience::kNode : Audience::kStranger, "Attest");
      if (!peer) return answer(std::unexpected(peer.error()));
      if (const auto charged = attestation_.Charge(*peer); !charged)
        return answer(std::unexpected(charged.error()));
      node::AttestRequest message;
      if (const auto parsed = Parse(*request, kEvidence, message); !parsed)
        return answer(std::unexpected(parsed.error()));
      const WorkPool::Call call = {
          .kind = WorkKind::kAttestation, .user = peer->record.id, .bytes = request->Length()};
      Serve(*context, call, answer, [this, context, answer, message = std::move(message)] {
        // What is known of the node by now: the same request may have been served meanwhile.
        auto known = Prove(*context);
        if (!known) return answer(std::unexpected(known.error()));
        attestation_.Attest(*std::move(known), message, AddressOf(context->peer()), answer);
      });
    });
  }

  grpc::ServerUnaryReactor* Issue(grpc::CallbackServerContext* context,
                                  const grpc::ByteBuffer* request,
                                  grpc::ByteBuffer* response) override {
    return EndingCall(context, [&](grpc::ServerUnaryReactor* reactor) {
      auto peer = Prove(*context);
      const auto answer = Answer<node::IssueResponse>(
          context, reactor, response, peer ? Audience::kNode : Audience::kStranger, "Issue");
      if (!peer) return answer(std::unexpected(peer.error()));
      if (const auto charged = issuance_.Charge(*peer); !charged)
        return answer(std::unexpected(charged.error()));
      node::IssueRequest message;
      if (const auto parsed = Parse(*request, kItems, message); !parsed)
        return answer(std::unexpected(parsed.error()));
      const WorkPool::Call call = {.kind = WorkKind::kIssuance,
                                   .user = peer->record.id,
                                   .bytes = request->Length() + WeightOf(peer->record)};
      Serve(*context, call, answer,
            [this, answer, peer = *std::move(peer), message = std::move(message),
             source = AddressOf(context->peer())]() mutable {
              issuance_.Issue(std::move(peer), message, source, answer);
            });
    });
  }

  EntryReactor* WatchEntries(grpc::CallbackServerContext* context,
                             const grpc::ByteBuffer* request) override {
    const auto refuse = [&](const Error& error, Audience audience) {
      return RefuseStream(Refuse(*context, error, audience, "WatchEntries"));
    };
    const auto served = Guarded("the call", [&]() -> Result<EntryReactor*> {
      const auto peer = Prove(*context);
      if (!peer) return refuse(peer.error(), Audience::kStranger);
      const auto admitted = AdmitWatch(*peer, *request);
      if (!admitted) return refuse(admitted.error(), Audience::kNode);
      return StreamEntries(context, feed_, peer->record.id);
    });
    return served ? *served : refuse(served.error(), Audience::kStranger);
  }

  // Runs `body` when it is the call's turn. Whoever gets none, or whose body throws, is told so.
  // For a caller that has given up meanwhile nothing is done: it comes again, or has already.
  template <class Response, class Body>
  void Serve(const grpc::CallbackServerContext& context, const WorkPool::Call& call,
             Reply<Response> answer, Body body) {
    pool_.Serve(call, [&context, answer = std::move(answer),
                       body = std::move(body)](Result<void> turn) mutable {
      if (turn && context.IsCancelled())
        turn = Fail(Code::kUnavailable, "nobody waits for the answer any more",
                    {.name = std::string(kTooManyWaiting)});
      if (turn) {
        turn = Guarded("the call", [&]() -> Result<void> {
          body();
          return {};
        });
      }
      if (!turn) answer(std::unexpected(std::move(turn.error())));
    });
  }

  Result<void> AdmitWatch(const PeerNode& peer, const grpc::ByteBuffer& request) {
    RETURN_IF_ERROR(attestation_.Charge(peer), "watch entries");
    node::WatchEntriesRequest message;
    RETURN_IF_ERROR(Parse(request, kKeys, message), "watch entries");
    return CheckIdentity(peer.record);
  }

  // What somebody asks for who has proved nothing yet.
  Result<void> ReadEnrolment(const std::string& source, const grpc::ByteBuffer& request,
                             const Bounds& bounds, pb::Message& message) {
    RETURN_IF_ERROR(strangers_.Admit(source, kTooManyEnrolments), "enrolment");
    auto parsed = Parse(request, bounds, message);
    if (!parsed) return strangers_.Refuse(source, std::move(parsed.error()), kTooManyEnrolments);
    return parsed;
  }

  // The node at the other end; until it is proven, the caller is a stranger.
  Result<PeerNode> Prove(const grpc::CallbackServerContext& context) {
    const std::string source = SourceOf(context.peer());
    auto peer = Identify(context, source);
    if (!peer) {
      return strangers_.Refuse(source, std::move(peer.error()), kTooManyAttestations);
    }
    connections_.Note(peer->record.id, context.peer());
    return peer;
  }

  Result<PeerNode> Identify(const grpc::CallbackServerContext& context, const std::string& source) {
    ASSIGN_OR_RETURN(const std::string_view pem, PeerPem(context), "peer");
    ASSIGN_OR_RETURN(const auto certificate, CertificateOf(pem, source), "peer");
    auto peer = attestation_.Identify(certificate);
    // Only a proven node is worth knowing.
    if (peer)
      certificates_.Keep(pem, certificate);
    else
      certificates_.Forget(pem);
    return peer;
  }

  // A known certificate costs little and is its node's alone: others at its address cannot keep it
  // out. Any other is charged to its source before it is parsed.
  Result<crypto::Certificate> CertificateOf(std::string_view pem, const std::string& source) {
    if (auto known = certificates_.Find(pem)) return *std::move(known);
    RETURN_IF_ERROR(strangers_.Admit(source, kTooManyAttestations), "peer");
    return crypto::Certificate::FromPem(pem);
  }

  Strangers strangers_;
  Enroller enroller_;
  Attestation attestation_;
  Issuance issuance_;
  Connections& connections_;
  EntryFeed& feed_;
  WorkPool& pool_;
  ParsedCache<crypto::Certificate> certificates_{kKnownPeers};
};

}  // namespace

std::unique_ptr<grpc::Service> MakeNodeService(Context& context, Connections& connections,
                                               EntryFeed& feed, WorkPool& pool) {
  return std::make_unique<Service>(context, connections, feed, pool);
}

}  // namespace lodekey::issuer
