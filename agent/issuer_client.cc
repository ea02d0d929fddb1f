#include "agent/issuer_client.h"

#include <condition_variable>
#include <mutex>

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "base/grpc_status.h"
#include "crypto/certificate_builder.h"
#include "lodekey/node/v1/node_service.grpc.pb.h"
#include "platform/clock.h"

namespace lodekey::agent {
namespace {

namespace node = lodekey::node::v1;
namespace tls = grpc::experimental;

constexpr auto kDeadline = std::chrono::seconds(30);
constexpr auto kIssueDeadline = std::chrono::seconds(10);  // workloads wait
constexpr int kMaxMessage = 4 << 20;
constexpr int kKeepaliveMs = 5 * 60 * 1000;

// What the last handshake found; shared with the verifier, which gRPC may keep longer than the
// client lives.
struct Findings {
  std::mutex mutex;
  std::shared_ptr<const crypto::Certificate> authority;
  std::string untrusted;  // why the last server was refused
  std::string advice;
};

class Verifier final : public tls::ExternalCertificateVerifier {
 public:
  Verifier(IssuerTrust trust, std::shared_ptr<Findings> findings)
      : trust_(std::move(trust)), findings_(std::move(findings)) {}

  bool Verify(tls::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* status) override {
    const auto chain = request->peer_cert_full_chain();
    const auto presented =
        crypto::Certificate::ListFromPem(std::string_view(chain.data(), chain.size()));
    const auto authority = presented
                               ? CheckIssuer(trust_, *presented)
                               : Result<crypto::Certificate>(std::unexpected(presented.error()));
    const std::scoped_lock lock(findings_->mutex);
    if (authority) {
      findings_->authority = std::make_shared<const crypto::Certificate>(*authority);
      findings_->untrusted.clear();
      *status = grpc::Status::OK;
    } else {
      findings_->untrusted = authority.error().text;
      findings_->advice = authority.error().advice;
      *status = {grpc::StatusCode::UNAUTHENTICATED, authority.error().text};
    }
    return true;
  }
  void Cancel(tls::TlsCustomVerificationCheckRequest*) override {}

 private:
  IssuerTrust trust_;
  std::shared_ptr<Findings> findings_;
};

// A stub is kept by whoever calls through it: the connection may be replaced meanwhile.
using Stub = std::shared_ptr<node::NodeService::Stub>;

std::string Trailer(const grpc::ClientContext& context, const char* key) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto found = trailers.find(key);
  return found == trailers.end() ? "" : std::string(found->second.data(), found->second.size());
}

// A root that nobody stands under, as PEM. Given none, gRPC would load those of the host, which
// need not have any, and keep that megabyte for as long as it runs.
Result<std::string> RootOfNobody() {
  ASSIGN_OR_RETURN(const auto key, crypto::PrivateKey::GenerateEc(crypto::Curve::kP256), "key");
  ASSIGN_OR_RETURN(const auto root,
                   crypto::SignCertificate({.serial = crypto::RandomSerial(),
                                            .common_name = "nobody",
                                            .not_before = platform::Now(),
                                            .not_after = platform::Now(),
                                            .ca = true},
                                           key.public_key(), nullptr, key),
                   "certificate");
  return root.ToPem();
}

// What a call that failed says.
std::unexpected<Error> FailStatus(const std::string& address, Findings& findings,
                                  const grpc::ClientContext& context, const grpc::Status& status) {
  const std::string name = Trailer(context, "lodekey-error");
  const std::string message(status.error_message());
  if (!name.empty()) {
    return Fail(CodeOfGrpcStatus(status.error_code()),
                fmt::format("the issuer answered: {}", message),
                {.name = name, .advice = Trailer(context, "lodekey-advice")});
  }
  const std::scoped_lock lock(findings.mutex);
  if (!findings.untrusted.empty())
    return Fail(Code::kUntrusted, findings.untrusted,
                {.name = "issuer-untrusted", .advice = findings.advice});
  const bool late = status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
  return Fail(late ? Code::kTimeout : Code::kUnavailable,
              fmt::format("no answer from the issuer at {}: {}", address, message),
              {.name = "issuer-unreachable",
               .advice = "Check the address, the network and that lodekey-issuer runs. It is "
                         "tried again by itself."});
}

class Stream final : public IssuerClient::EntryStream,
                     private grpc::ClientReadReactor<node::EntrySet> {
 public:
  Stream(Stub stub, std::string address, std::shared_ptr<Findings> findings,
         IssuerClient::EntryListener listener)
      : stub_(std::move(stub)),
        address_(std::move(address)),
        findings_(std::move(findings)),
        listener_(std::move(listener)) {
    stub_->async()->WatchEntries(&context_, &request_, this);
    StartRead(&entries_);
    StartCall();
  }
  // Waits, because the channel must outlive the call, and the last of it must not be freed on one
  // of gRPC's own threads.
  ~Stream() override {
    std::unique_lock lock(mutex_);
    cancelled_ = true;
    lock.unlock();
    context_.TryCancel();
    lock.lock();
    wake_.wait(lock, [&] { return done_; });
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (!cancelled()) listener_.entries(entries_);
    StartRead(&entries_);
  }
  void OnDone(const grpc::Status& status) override {
    if (!cancelled()) listener_.ended(WhyEnded(status));
    const std::scoped_lock lock(mutex_);
    done_ = true;
    wake_.notify_all();  // under the lock: the waiting destructor frees both
  }
  Error WhyEnded(const grpc::Status& status) const {
    if (!status.ok()) return FailStatus(address_, *findings_, context_, status).error();
    return {.code = Code::kUnavailable,
            .text = "the issuer ended the stream of entries",
            .name = "watch-ended"};
  }
  bool cancelled() const {
    const std::scoped_lock lock(mutex_);
    return cancelled_;
  }

  const Stub stub_;
  const std::string address_;
  const std::shared_ptr<Findings> findings_;
  const IssuerClient::EntryListener listener_;
  grpc::ClientContext context_;
  const node::WatchEntriesRequest request_;
  node::EntrySet entries_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool cancelled_ = false;
  bool done_ = false;
};

class Client final : public IssuerClient {
 public:
  Client(std::string address, IssuerTrust trust)
      : address_(std::move(address)),
        trust_(std::move(trust)),
        findings_(std::make_shared<Findings>()) {}

  Result<node::StartEnrolmentResponse> StartEnrolment(
      const node::StartEnrolmentRequest& request) override {
    return Call(Anonymous(), &node::NodeService::Stub::StartEnrolment, request);
  }
  Result<node::FinishEnrolmentResponse> FinishEnrolment(
      const node::FinishEnrolmentRequest& request) override {
    return Call(Anonymous(), &node::NodeService::Stub::FinishEnrolment, request);
  }
  Result<node::AttestResponse> Attest(const node::AttestRequest& request) override {
    return Call(Identified(), &node::NodeService::Stub::Attest, request);
  }
  Result<node::IssueResponse> Issue(const node::IssueRequest& request) override {
    return Call(Identified(), &node::NodeService::Stub::Issue, request, kIssueDeadline);
  }
  Result<std::unique_ptr<EntryStream>> WatchEntries(EntryListener listener) override {
    ASSIGN_OR_RETURN(Stub stub, Identified(), "watch entries");
    return std::make_unique<Stream>(std::move(stub), address_, findings_, std::move(listener));
  }

  void UseIdentity(const std::string& chain_pem, const std::string& key_reference,
                   const crypto::Certificate& authority) override {
    const auto provider = std::make_shared<tls::StaticDataCertificateProvider>(
        authority.ToPem(), std::vector<tls::IdentityKeyCertPair>{{key_reference, chain_pem}});
    tls::TlsChannelCredentialsOptions options;
    options.set_certificate_provider(provider);
    options.watch_root_certs();
    options.watch_identity_key_cert_pairs();
    // The chain is verified while the handshake runs, before the node's certificate is sent; the
    // rest by the verifier.
    options.set_verify_server_certs(true);
    Replace(nullptr, Connect(options));
  }
  void DropIdentity() override { Replace(nullptr, nullptr); }

  std::shared_ptr<const crypto::Certificate> authority() const override {
    const std::scoped_lock lock(findings_->mutex);
    return findings_->authority;
  }

 private:
  // Those before are freed without the lock: their connections end.
  void Replace(Stub anonymous, Stub identified) {
    const std::scoped_lock lock(mutex_);
    anonymous_.swap(anonymous);
    identified_.swap(identified);
  }

  Result<Stub> Identified() const {
    const std::scoped_lock lock(mutex_);
    if (identified_) return identified_;
    return Fail(Code::kNotFound, "the node has no identity yet", {.name = "not-enrolled"});
  }

  Result<Stub> Anonymous() {
    const std::scoped_lock lock(mutex_);
    if (anonymous_) return anonymous_;
    ASSIGN_OR_RETURN(const std::string root, RootOfNobody(), "TLS without an identity");
    tls::TlsChannelCredentialsOptions options;
    options.set_certificate_provider(std::make_shared<tls::StaticDataCertificateProvider>(root));
    options.watch_root_certs();
    // By the verifier alone: the authority's certificate is not known yet.
    options.set_verify_server_certs(false);
    anonymous_ = Connect(options);
    return anonymous_;
  }

  Stub Connect(tls::TlsChannelCredentialsOptions& options) {
    options.set_check_call_host(false);
    options.set_certificate_verifier(
        tls::ExternalCertificateVerifier::Create<Verifier>(trust_, findings_));
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kMaxMessage);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
    // The agent's own back-off decides when to try again.
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return node::NodeService::NewStub(
        grpc::CreateCustomChannel(address_, tls::TlsCredentials(options), arguments));
  }

  template <class Response, class Request>
  Result<Response> Call(Result<Stub> stub,
                        grpc::Status (node::NodeService::Stub::*method)(grpc::ClientContext*,
                                                                        const Request&, Response*),
                        const Request& request, std::chrono::seconds deadline = kDeadline) {
    if (!stub) return std::unexpected(std::move(stub.error()));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + deadline);
    Response response;
    const grpc::Status status = ((**stub).*method)(&context, request, &response);
    if (status.ok()) return response;
    return FailStatus(address_, *findings_, context, status);
  }

  const std::string address_;
  const IssuerTrust trust_;
  const std::shared_ptr<Findings> findings_;
  mutable std::mutex mutex_;
  Stub anonymous_;
  Stub identified_;
};

}  // namespace

std::unique_ptr<IssuerClient> IssuerClient::Create(std::string address, IssuerTrust trust) {
  return std::make_unique<Client>(std::move(address), std::move(trust));
}

}  // namespace lodekey::agent
