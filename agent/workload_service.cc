#include "agent/workload_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include "agent/grpc_refusal.h"
#include "agent/jwt_check.h"
#include "agent/workload_call.h"
#include "agent/workload_stream.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "spiffe/workload.grpc.pb.h"

namespace lodekey::agent {
namespace {

namespace health = ::grpc::health::v1;
using grpc::ByteBuffer;
using grpc::CallbackServerContext;

// Workload API, section 3.1: without it a page in a browser, or a proxy, could be made to ask.
Result<void> CheckHeader(const CallbackServerContext& context) {
  const auto [first, last] = context.client_metadata().equal_range("workload.spiffe.io");
  if (first != last && std::next(first) == last && first->second == "true") return {};
  return Fail(Code::kInvalidArgument, "the call lacks the metadata 'workload.spiffe.io: true'",
              {.name = "workload-header",
               .advice = "Use a client of the SPIFFE Workload API, which sends it."});
}

std::unexpected<Error> BadAudience(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text),
              {.name = "audience-invalid",
               .advice = "Name who is to accept the token, for example 'vault'."});
}

Result<void> CheckAudience(std::string_view audience) {
  if (audience.empty()) return BadAudience("an audience is required");
  if (audience.size() > JwtSvids::kMaxAudienceSize) {
    return BadAudience(fmt::format("an audience has at most {} bytes", JwtSvids::kMaxAudienceSize));
  }
  return {};
}

Result<void> CheckAudiences(const google::protobuf::RepeatedPtrField<std::string>& audiences) {
  if (audiences.empty()) return BadAudience("an audience is required");
  if (static_cast<size_t>(audiences.size()) > JwtSvids::kMaxAudiences) {
    return BadAudience(fmt::format("a token has at most {} audiences", JwtSvids::kMaxAudiences));
  }
  for (const std::string& audience : audiences)
    RETURN_IF_ERROR(CheckAudience(audience), "JWT-SVID");
  return {};
}

class RefusedStream final : public grpc::ServerWriteReactor<ByteBuffer> {
 public:
  explicit RefusedStream(grpc::Status status) { Finish(std::move(status)); }

 private:
  void OnDone() override { delete this; }
};

using Base = SpiffeWorkloadAPI::WithRawCallbackMethod_FetchX509SVID<
    SpiffeWorkloadAPI::WithRawCallbackMethod_FetchX509Bundles<
        SpiffeWorkloadAPI::WithRawCallbackMethod_FetchJWTBundles<
            SpiffeWorkloadAPI::WithCallbackMethod_FetchJWTSVID<
                SpiffeWorkloadAPI::WithCallbackMethod_ValidateJWTSVID<
                    SpiffeWorkloadAPI::Service>>>>>;

// The streams' messages are bytes of ours, so that those with private keys can be wiped. Their
// requests have no fields.
class WorkloadService final : public Base {
 public:
  explicit WorkloadService(const WorkloadParts& parts) : parts_(parts) {}

 private:
  Result<Admission> Admit(const CallbackServerContext& context) {
    RETURN_IF_ERROR(CheckHeader(context), "Workload API");
    return parts_.callers.Admit(context.peer());
  }

  grpc::ServerWriteReactor<ByteBuffer>* Stream(CallbackServerContext* context,
                                               WorkloadStream::Kind kind) {
    auto admission = Admit(*context);
    if (!admission) return new RefusedStream(Refuse(*context, admission.error()));
    return WorkloadStream::Start(*context, parts_.pool, parts_.book, *std::move(admission), kind);
  }
  grpc::ServerWriteReactor<ByteBuffer>* FetchX509SVID(CallbackServerContext* context,
                                                      const ByteBuffer*) override {
    return Stream(context, {.need = SvidBook::Need::kX509Svids, .format = FormatX509Svids});
  }
  grpc::ServerWriteReactor<ByteBuffer>* FetchX509Bundles(CallbackServerContext* context,
                                                         const ByteBuffer*) override {
    return Stream(context, {.need = SvidBook::Need::kBundle, .format = FormatX509Bundles});
  }
  grpc::ServerWriteReactor<ByteBuffer>* FetchJWTBundles(CallbackServerContext* context,
                                                        const ByteBuffer*) override {
    return Stream(context, {.need = SvidBook::Need::kBundle, .format = FormatJwtBundles});
  }

  // `proceed` gets a call whose caller is known and whose request is good.
  template <class Response, class Proceed>
  grpc::ServerUnaryReactor* Unary(CallbackServerContext* context, Response* response,
                                  const Result<void>& request, Proceed proceed) {
    const auto call = WorkloadCall<Response>::Start(*context, *response);
    auto admission = Admit(*context);
    if (!admission) {
      call->Refuse(admission.error());
    } else if (!request) {
      call->Refuse(request.error());
    } else {
      call->Admit(*std::move(admission));
      proceed(call);
    }
    return call.get();
  }

  // What goes on elsewhere has the parts and not the service, which may be gone by then: together
  // with the call, which ends before.
  grpc::ServerUnaryReactor* FetchJWTSVID(CallbackServerContext* context,
                                         const JWTSVIDRequest* request,
                                         JWTSVIDResponse* response) override {
    return Unary(context, response, CheckAudiences(request->audience()),
                 [&](const JwtCall& call) { FetchTokens(parts_, call, *request); });
  }
  using JwtCall = std::shared_ptr<WorkloadCall<JWTSVIDResponse>>;
  static void FetchTokens(const WorkloadParts& parts, const JwtCall& call,
                          const JWTSVIDRequest& wanted) {
    const bool digest = parts.book.WantsDigest();
    parts.pool.Attest(
        call->caller(), {.executable_digest = digest},
        [parts, call, wanted, digest](Result<Attested> attested) {
          call->EndPending();
          if (!attested) return call->Refuse(attested.error());
          const Selectors& selectors = attested->selectors;
          parts.tokens.Fetch(
              selectors, {wanted.audience().begin(), wanted.audience().end()}, wanted.spiffe_id(),
              [parts, call, wanted, digest, selectors](Result<std::vector<HeldJwt>> held) {
                call->IfOpen([&] {
                  // It was looked at before the entries said that they ask for more.
                  if (!held && !digest && parts.book.WantsDigest())
                    return FetchTokens(parts, call, wanted);
                  SendTokens(parts, call, selectors, std::move(held));
                });
              });
        });
  }
  static void SendTokens(const WorkloadParts& parts, const JwtCall& call,
                         const Selectors& selectors, Result<std::vector<HeldJwt>> held) {
    // It took its time: who asked may be somebody else by now.
    parts.pool.Confirm(call->caller(), [parts, call, selectors,
                                        held = std::move(held)](const Result<void>& unchanged) {
      call->IfOpen([&] {
        if (!unchanged) return call->Refuse(unchanged.error());
        if (!held) return call->Refuse(held.error());
        // And so did that: what was fetched may have been taken away since.
        if (auto good = parts.tokens.Check(selectors, *held); !good)
          return call->Refuse(good.error());
        AnswerTokens(*call, *held);
      });
    });
  }
  static void AnswerTokens(WorkloadCall<JWTSVIDResponse>& call,
                           const std::vector<HeldJwt>& tokens) {
    JWTSVIDResponse answer;
    for (const HeldJwt& held : tokens) {
      JWTSVID& svid = *answer.add_svids();
      svid.set_spiffe_id(held.entry->spiffe_id);
      svid.set_svid(held.token);
      svid.set_hint(held.entry->hint);
    }
    call.Answer(std::move(answer));
  }

  // For every process that is known: what a token says is no secret, and the bundle neither.
  grpc::ServerUnaryReactor* ValidateJWTSVID(CallbackServerContext* context,
                                            const ValidateJWTSVIDRequest* request,
                                            ValidateJWTSVIDResponse* response) override {
    return Unary(context, response, CheckAudience(request->audience()), [&](const auto& call) {
      parts_.pool.Confirm(call->caller(),
                          [parts = parts_, call, asked = *request](const Result<void>& unchanged) {
                            if (!unchanged) return call->Refuse(unchanged.error());
                            auto answer = Validate(parts, asked);
                            if (!answer) return call->Refuse(answer.error());
                            call->Answer(*std::move(answer));
                          });
    });
  }
  static Result<ValidateJWTSVIDResponse> Validate(const WorkloadParts& parts,
                                                  const ValidateJWTSVIDRequest& asked) {
    const auto bundle = parts.book.bundle();
    if (!bundle) {
      return std::unexpected(parts.book.problem().value_or(
          Error{.code = Code::kUnavailable, .text = "there is no bundle", .name = "no-bundle"}));
    }
    auto svid = CheckJwtSvid(asked.svid(), asked.audience(), bundle->trust_domain, bundle->jwt_keys,
                             parts.now());
    if (!svid) {
      // Workload API, section 6.2.4: a token that is not valid is a bad argument, whatever it is.
      Error error = std::move(svid.error());
      error.code = Code::kInvalidArgument;
      return std::unexpected(std::move(error));
    }
    ValidateJWTSVIDResponse answer;
    answer.set_spiffe_id(svid->id.ToString());
    *answer.mutable_claims() = std::move(svid->claims);
    return answer;
  }

  const WorkloadParts parts_;
};

// Watch is not offered: it would be one more stream to hold, for what a reconnect tells as well.
class HealthService final
    : public health::Health::WithCallbackMethod_Check<health::Health::Service> {
 public:
  explicit HealthService(const WorkloadParts& parts) : parts_(parts) {}

 private:
  grpc::ServerUnaryReactor* Check(CallbackServerContext* context,
                                  const health::HealthCheckRequest* request,
                                  health::HealthCheckResponse* response) override {
    auto* reactor = context->DefaultReactor();
    const auto admission = parts_.callers.Admit(context->peer());
    if (!admission) {
      reactor->Finish(Refuse(*context, admission.error()));
    } else if (!request->service().empty() &&
               request->service() != SpiffeWorkloadAPI::service_full_name()) {
      reactor->Finish({grpc::StatusCode::NOT_FOUND, "there is no such service"});
    } else {
      response->set_status(parts_.book.problem() ? health::HealthCheckResponse::NOT_SERVING
                                                 : health::HealthCheckResponse::SERVING);
      reactor->Finish(grpc::Status::OK);
    }
    return reactor;
  }

  const WorkloadParts parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeWorkloadService(const WorkloadParts& parts) {
  return std::make_unique<WorkloadService>(parts);
}

std::unique_ptr<grpc::Service> MakeHealthService(const WorkloadParts& parts) {
  return std::make_unique<HealthService>(parts);
}

}  // namespace lodekey::agent
