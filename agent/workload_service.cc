#include "agent/workload_service.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include "agent/grpc_refusal.h"
#include "agent/jwt_check.h"
#include "agent/workload_call.h"
#include "agent/workload_stream.h"
#include "attest/token_purpose.h"
#include "grpc/health/v1/health.pb.h"
#include "spiffe/workload.pb.h"

namespace lodekey::agent {
namespace {

namespace health = ::grpc::health::v1;
using grpc::CallbackServerContext;
using Reactor = grpc::ServerGenericBidiReactor;

constexpr std::string_view kServiceName = "SpiffeWorkloadAPI";

// Workload API, section 3.1: without it a page in a browser, or a proxy, could be made to ask.
Result<void> CheckHeader(const CallbackServerContext& context) {
  const auto [first, last] = context.client_metadata().equal_range("workload.spiffe.io");
  if (first != last && std::next(first) == last && first->second == "true") return {};
  return Fail(Code::kInvalidArgument, "the call lacks the metadata 'workload.spiffe.io: true'",
              {.name = "workload-header",
               .advice = "Use a client of the SPIFFE Workload API, which sends it."});
}

// What is done on other threads has the parts and not the service, which may be gone by then:
// together with the call, which ends before.
using JwtCall = WorkloadCall<JWTSVIDRequest, JWTSVIDResponse>;
using JwtCallPtr = std::shared_ptr<JwtCall>;

void AnswerTokens(JwtCall& call, const std::vector<HeldJwt>& tokens) {
  JWTSVIDResponse answer;
  for (const HeldJwt& held : tokens) {
    JWTSVID& svid = *answer.add_svids();
    svid.set_spiffe_id(held.entry->spiffe_id);
    svid.set_svid(held.token);
    svid.set_hint(held.entry->hint);
  }
  call.Answer(answer);
}

void SendTokens(const WorkloadParts& parts, const JwtCallPtr& call, const Selectors& selectors,
                Result<std::vector<HeldJwt>> held) {
  // It took its time: who asked may be somebody else by now.
  parts.pool.Confirm(call->caller(), [parts, call, selectors,
                                      held = std::move(held)](const Result<void>& unchanged) {
    call->IfOpen([&] {
      if (!unchanged) return call->End(unchanged.error());
      if (!held) return call->End(held.error());
      // And so did that: what was fetched may have been taken away since.
      if (auto good = parts.tokens.Check(selectors, *held); !good) return call->End(good.error());
      AnswerTokens(*call, *held);
    });
  });
}

// The one value of the metadata `key`; nullopt: it is not there.
Result<std::optional<std::string>> ReadMetadata(const CallbackServerContext& context,
                                                const char* key, const char* problem) {
  const auto [first, last] = context.client_metadata().equal_range(key);
  if (first == last) return std::nullopt;
  if (std::next(first) == last) return std::string(first->second.data(), first->second.size());
  return Fail(Code::kInvalidArgument, fmt::format("the call has the metadata '{}' twice", key),
              {.name = problem, .advice = "Send it once."});
}

// The Workload API's request has audiences alone; what else a token is for comes as metadata, which
// clients of the standard can send.
Result<attest::TokenPurpose> ReadScopeAndTask(const CallbackServerContext& context) {
  attest::TokenPurpose purpose{.audiences = {}};
  ASSIGN_OR_RETURN(const auto scope, ReadMetadata(context, "lodekey-scope", "scope-invalid"),
                   "JWT-SVID");
  ASSIGN_OR_RETURN(auto task, ReadMetadata(context, "lodekey-task", "task-invalid"), "JWT-SVID");
  if (scope) purpose.scopes = attest::SplitScopes(*scope);
  if (task) purpose.task = *std::move(task);
  return purpose;
}

Result<attest::TokenPurpose> PurposeOf(Result<attest::TokenPurpose> purpose,
                                       const JWTSVIDRequest& request) {
  if (!purpose) return purpose;
  purpose->audiences = {request.audience().begin(), request.audience().end()};
  return attest::Canonical(*std::move(purpose));
}

struct WantedTokens {
  attest::TokenPurpose purpose;
  std::string spiffe_id;
};

void FetchTokens(const WorkloadParts& parts, const JwtCallPtr& call, const WantedTokens& wanted) {
  const bool digest = parts.book.WantsDigest();
  const auto fetch = [parts, call, wanted, digest](const Result<Attested>& attested) {
    call->EndPending();
    if (!attested) return call->End(attested.error());
    const auto send = [parts, call, wanted, digest,
                       selectors = attested->selectors](Result<std::vector<HeldJwt>> held) {
      call->IfOpen([&] {
        // It was looked at before the entries said that they ask for more.
        if (!held && !digest && parts.book.WantsDigest()) return FetchTokens(parts, call, wanted);
        SendTokens(parts, call, selectors, std::move(held));
      });
    };
    parts.tokens.Fetch(attested->selectors, wanted.purpose, wanted.spiffe_id, send);
  };
  parts.pool.Attest(call->caller(), {.executable_digest = digest}, fetch);
}

Reactor* FetchJwtSvid(const WorkloadParts& parts, CallbackServerContext& context,
                      Admission admission) {
  return JwtCall::Start(context, std::move(admission),
                        [parts, asked = ReadScopeAndTask(context)](const JwtCallPtr& call,
                                                                   const JWTSVIDRequest& request) {
                          auto purpose = PurposeOf(asked, request);
                          if (!purpose) return call->End(purpose.error());
                          FetchTokens(
                              parts, call,
                              {.purpose = *std::move(purpose), .spiffe_id = request.spiffe_id()});
                        });
}

Result<ValidateJWTSVIDResponse> Validate(const WorkloadParts& parts,
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

// For every process that is known: what a token says is no secret, and the bundle neither.
Reactor* ValidateJwtSvid(const WorkloadParts& parts, CallbackServerContext& context,
                         Admission admission) {
  using Call = WorkloadCall<ValidateJWTSVIDRequest, ValidateJWTSVIDResponse>;
  const auto proceed = [parts](const std::shared_ptr<Call>& call,
                               const ValidateJWTSVIDRequest& asked) {
    if (auto good = attest::CheckAudience(asked.audience()); !good) return call->End(good.error());
    parts.pool.Confirm(call->caller(), [parts, call, asked](const Result<void>& unchanged) {
      if (!unchanged) return call->End(unchanged.error());
      const auto answer = Validate(parts, asked);
      if (!answer) return call->End(answer.error());
      call->Answer(*answer);
    });
  };
  return Call::Start(context, std::move(admission), proceed);
}

Reactor* CheckHealth(const WorkloadParts& parts, CallbackServerContext& context,
                     Admission admission) {
  using Call = WorkloadCall<health::HealthCheckRequest, health::HealthCheckResponse>;
  const auto proceed = [parts](const std::shared_ptr<Call>& call,
                               const health::HealthCheckRequest& asked) {
    if (!asked.service().empty() && asked.service() != kServiceName) {
      return call->End(
          {.code = Code::kNotFound, .text = "there is no such service", .name = "service-unknown"});
    }
    health::HealthCheckResponse answer;
    answer.set_status(parts.book.problem() ? health::HealthCheckResponse::NOT_SERVING
                                           : health::HealthCheckResponse::SERVING);
    call->Answer(answer);
  };
  return Call::Start(context, std::move(admission), proceed);
}

// The streams' messages are bytes of ours, so that those with private keys can be wiped.
template <SvidBook::Need need, WorkloadMessage format>
Reactor* Stream(const WorkloadParts& parts, CallbackServerContext& context, Admission admission) {
  return WorkloadStream::Start(context, parts.pool, parts.book, std::move(admission),
                               {.need = need, .format = format});
}

struct Method {
  std::string_view path;
  bool of_standard;  // asks for the header
  Reactor* (*start)(const WorkloadParts&, CallbackServerContext&, Admission);
};

// Watch of the health service is not offered: it would be one more stream to hold, for what a
// reconnect tells as well.
constexpr std::array kMethods = {
    Method{"/SpiffeWorkloadAPI/FetchX509SVID", true,
           Stream<SvidBook::Need::kX509Svids, FormatX509Svids>},
    Method{"/SpiffeWorkloadAPI/FetchX509Bundles", true,
           Stream<SvidBook::Need::kBundle, FormatX509Bundles>},
    Method{"/SpiffeWorkloadAPI/FetchJWTBundles", true,
           Stream<SvidBook::Need::kBundle, FormatJwtBundles>},
    Method{"/SpiffeWorkloadAPI/FetchJWTSVID", true, FetchJwtSvid},
    Method{"/SpiffeWorkloadAPI/ValidateJWTSVID", true, ValidateJwtSvid},
    Method{"/grpc.health.v1.Health/Check", false, CheckHealth},
};

// Keeps its place among the refusals until its caller has read it.
class RefusedCall final : public Reactor {
 public:
  RefusedCall(grpc::Status status, std::optional<CallerLimits::Permit> place)
      : place_(std::move(place)) {
    Finish(std::move(status));
  }

 private:
  void OnDone() override { delete this; }

  const std::optional<CallerLimits::Permit> place_;
};

class WorkloadService final : public grpc::CallbackGenericService {
 public:
  explicit WorkloadService(const WorkloadParts& parts) : parts_(parts) {}

 private:
  Reactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    const auto method = std::ranges::find(kMethods, context->method(), &Method::path);
    if (method == kMethods.end())
      return RefuseCall(*context, {grpc::StatusCode::UNIMPLEMENTED, "there is no such method"});
    auto admission = Admit(*context, *method);
    if (!admission) return RefuseCall(*context, Refuse(*context, admission.error()));
    return method->start(parts_, *context, *std::move(admission));
  }
  Result<Admission> Admit(const CallbackServerContext& context, const Method& method) {
    if (method.of_standard) RETURN_IF_ERROR(CheckHeader(context), "Workload API");
    return parts_.callers.Admit(context.peer());
  }
  Reactor* RefuseCall(const CallbackServerContext& context, grpc::Status status) {
    return new RefusedCall(std::move(status), parts_.callers.Refuse(context.peer()));
  }

  const WorkloadParts parts_;
};

}  // namespace

std::unique_ptr<grpc::CallbackGenericService> MakeWorkloadService(const WorkloadParts& parts) {
  return std::make_unique<WorkloadService>(parts);
}

}  // namespace lodekey::agent
