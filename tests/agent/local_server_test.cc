// The agent's local API over its real socket, beside an agent whose TPM does not answer for as long
// as the test likes.
#include "agent/local_server.h"

#include <fcntl.h>
#include <future>
#include <thread>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "agent/unix_attestor.h"
#include "base/hex.h"
#include "lodekey/agent/v1/agent_service.grpc.pb.h"
#include "platform/clock.h"
#include "tests/support/must.h"
#include "tests/support/program.h"
#include "tests/support/swtpm.h"

namespace lodekey::agent {
namespace {

namespace api = lodekey::agent::v1;
namespace node = lodekey::node::v1;
using test::Must;

// The agent never has an identity here, so it never asks.
class NoIssuer final : public IssuerClient {
 public:
  Result<node::StartEnrolmentResponse> StartEnrolment(const node::StartEnrolmentRequest&) override {
    return NotAsked();
  }
  Result<node::FinishEnrolmentResponse> FinishEnrolment(
      const node::FinishEnrolmentRequest&) override {
    return NotAsked();
  }
  void UseIdentity(const std::string&, const std::string&, const crypto::Certificate&) override {}
  void DropIdentity() override {}
  Result<node::AttestResponse> Attest(const node::AttestRequest&) override { return NotAsked(); }
  Result<node::IssueResponse> Issue(const node::IssueRequest&) override { return NotAsked(); }
  Result<std::unique_ptr<EntryStream>> WatchEntries(EntryListener) override { return NotAsked(); }
  std::shared_ptr<const crypto::Certificate> authority() const override { return nullptr; }

 private:
  static std::unexpected<Error> NotAsked() {
    return Fail(Code::kInternal, "the test expects no call");
  }
};

using Stub = api::AgentService::Stub;
template <class Request>
using Method = void (Stub::async::*)(grpc::ClientContext*, const Request*, api::EnrollResponse*,
                                     std::function<void(grpc::Status)>);

// One call in flight; cancelled when nobody waits for it any more.
class Asked {
 public:
  template <class Request>
  Asked(Stub& stub, Method<Request> method, int seconds) {
    const Request request;
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(seconds));
    (stub.async()->*method)(&context_, &request, &response_,
                            [this](grpc::Status status) { done_.set_value(std::move(status)); });
  }
  ~Asked() {
    Cancel();
    Wait();
  }
  grpc::Status Wait() { return status_.get(); }
  // The stable name of the refusal; "" when there is none.
  std::string Refusal() {
    if (Wait().ok()) return "";
    const auto found = context_.GetServerTrailingMetadata().find("lodekey-error");
    if (found == context_.GetServerTrailingMetadata().end()) return Wait().error_message();
    return {found->second.data(), found->second.size()};
  }
  bool answered() const {
    return status_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  api::EnrollResponse response_;
  std::promise<grpc::Status> done_;
  std::shared_future<grpc::Status> status_ = done_.get_future().share();
};

AttestationPool::Attestors UnixAttestors(ExecutableDigests& digests) {
  AttestationPool::Attestors attestors;
  attestors.push_back(std::make_unique<UnixAttestor>(digests));
  return attestors;
}

class LocalServerTest : public testing::Test {
 protected:
  using Calls = std::vector<std::unique_ptr<Asked>>;

  LocalServerTest() {
    config_.retry_first = config_.retry_max = std::chrono::hours(1);
    agent_ = std::make_unique<Agent>(
        config_, Must(State::Open(directory_ / "state", directory_ / "run")),
        [this]() -> Result<std::unique_ptr<tpm::Device>> {
          opened_.wait();
          return Fail(Code::kHardware, "the TPM is not there", {.name = "tpm-absent"});
        },
        [](std::string, IssuerTrust) { return std::make_unique<NoIssuer>(); });
    server_ = Must(LocalServer::Start(*agent_, inspection_, directory_ / "agent.sock", ""));
    loop_ = std::thread([this] { agent_->Run(); });
    stub_ = api::AgentService::NewStub(grpc::CreateChannel("unix:" + (directory_ / "agent.sock"),
                                                           grpc::InsecureChannelCredentials()));
  }
  ~LocalServerTest() override {
    agent_->Stop();
    AnswerTheLoop();
    loop_.join();
  }

  // From here on the TPM answers, and each time at once: it is not there.
  void AnswerTheLoop() {
    if (!std::exchange(answers_, true)) open_.set_value();
  }

  template <class Request>
  std::unique_ptr<Asked> Ask(Method<Request> method, int seconds = 60) {
    return std::make_unique<Asked>(*stub_, method, seconds);
  }
  std::unique_ptr<Asked> Enroll() { return Ask<api::EnrollRequest>(&Stub::async::Enroll); }
  // As many as may wait for the loop.
  template <class Request>
  Calls AskAll(Method<Request> method, int seconds = 60) {
    Calls calls;
    for (size_t i = 0; i < CommandQueue::kMaxWaiting; ++i) calls.push_back(Ask(method, seconds));
    return calls;
  }
  api::Status ShowStatus() {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    api::Status status;
    const grpc::Status answer = stub_->ShowStatus(&context, api::ShowStatusRequest(), &status);
    EXPECT_TRUE(answer.ok()) << answer.error_message();
    return status;
  }

  Result<api::Workload> Inspect(pid_t pid) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    api::InspectWorkloadRequest request;
    request.set_pid(pid);
    api::Workload workload;
    const grpc::Status answer = stub_->InspectWorkload(&context, request, &workload);
    if (answer.ok()) return workload;
    const auto name = context.GetServerTrailingMetadata().find("lodekey-error");
    return Fail(Code::kInternal, answer.error_message(),
                {.name = {name->second.data(), name->second.size()}});
  }

  test::TempDir directory_;
  platform::AgentConfig config_;
  std::promise<void> open_;
  std::shared_future<void> opened_ = open_.get_future().share();
  bool answers_ = false;
  std::unique_ptr<Agent> agent_;
  ExecutableDigests digests_;
  AttestationPool pool_{UnixAttestors(digests_)};
  SvidBook book_{{.now = platform::Now, .uptime = platform::Uptime, .random = [] { return 0u; }}};
  IssuerRefusals refusals_;
  const WorkloadInspection inspection_{pool_, book_, refusals_};
  std::unique_ptr<LocalServer> server_;
  std::unique_ptr<Stub> stub_;
  std::thread loop_;
};

TEST_F(LocalServerTest, OneCallerTooManyIsRefusedAndStatusIsShownWhileTheOthersWait) {
  Calls calls = AskAll<api::EnrollRequest>(&Stub::async::Enroll);
  calls.push_back(Enroll());
  const auto refused = [&] {
    return std::ranges::find_if(calls, [](const auto& call) { return call->answered(); });
  };
  ASSERT_TRUE(test::Eventually([&] { return refused() != calls.end(); }));
  EXPECT_EQ((*refused())->Refusal(), "agent-busy");
  calls.erase(refused());
  EXPECT_EQ(ShowStatus().phase(), "starting");
  EXPECT_EQ(refused(), calls.end()) << "the others wait";
  AnswerTheLoop();
  for (const auto& call : calls) EXPECT_EQ(call->Refusal(), "tpm-absent");
}

TEST_F(LocalServerTest, CallersWhoGoAwayGiveTheirPlacesUpAndNothingIsDoneForThem) {
  for (const auto& call : AskAll<api::UnenrollRequest>(&Stub::async::Unenroll)) {
    call->Cancel();
    EXPECT_EQ(call->Wait().error_code(), grpc::StatusCode::CANCELLED);
  }
  // Others in their number are refused for as long as the server has not noticed, and wait then.
  ASSERT_TRUE(test::Eventually([&] {
    const Calls others = AskAll<api::EnrollRequest>(&Stub::async::Enroll, /*seconds=*/1);
    return std::ranges::all_of(others, [](const auto& call) {
      return call->Wait().error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
    });
  }));
  AnswerTheLoop();
  // The queue is a queue: what was asked before has been done now, or not.
  EXPECT_EQ(Enroll()->Refusal(), "tpm-absent");
  EXPECT_NE(ShowStatus().phase(), "unenrolled");
}

TEST_F(LocalServerTest, WhoWaitsIsToldWhenTheAgentStops) {
  const auto waiting = Enroll();
  EXPECT_EQ(ShowStatus().phase(), "starting");
  agent_->Stop();
  EXPECT_EQ(waiting->Refusal(), "agent-stopping");
  EXPECT_EQ(Enroll()->Refusal(), "agent-stopping");
}

TEST_F(LocalServerTest, ShowsAProcessAsTheWorkloadApiWouldSeeIt) {
  const auto entry = [](const std::string& id, std::vector<std::string> selectors) {
    attest::Entry made{.id = id, .revision = 1, .spiffe_id = "spiffe://example.org/" + id};
    for (const std::string& selector : selectors)
      made.selectors.push_back(Must(attest::ParseSelector(selector)));
    return std::make_shared<const attest::Entry>(std::move(made));
  };
  const std::string uid = "unix:uid:" + std::to_string(::getuid());
  const auto before = Must(Inspect(::getpid()));
  EXPECT_FALSE(before.entries_known());
  EXPECT_EQ(before.problem().code(), "entries-unknown");
  book_.SetEntries({.entries = {entry("far", {"unix:uid:4711", "unix:gid:4711"}),
                                entry("near", {uid, "unix:path:/nowhere"}), entry("mine", {uid})},
                    .unusable = {},
                    .bundle = std::make_shared<TrustBundle>()});
  const auto workload = Must(Inspect(::getpid()));
  EXPECT_EQ(workload.pid(), ::getpid());
  EXPECT_TRUE(workload.entries_known());
  EXPECT_FALSE(workload.has_problem());
  ASSERT_EQ(workload.entries_size(), 3);
  EXPECT_EQ(workload.entries(0).entry().id(), "mine");
  EXPECT_TRUE(workload.entries(0).missing().empty());
  EXPECT_EQ(workload.entries(1).entry().id(), "near");
  EXPECT_EQ(workload.entries(1).missing(0), "unix:path:/nowhere");
  EXPECT_EQ(workload.entries(2).missing_size(), 2);
  const platform::UniqueFd self(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  std::vector<std::string> selectors;
  for (const auto& graded : workload.selectors()) {
    EXPECT_EQ(graded.grade(), "observed");
    selectors.push_back(graded.selector());
  }
  EXPECT_NE(std::ranges::find(selectors, uid), selectors.end());
  const auto digest = Must(digests_.Of(self));
  EXPECT_NE(std::ranges::find(selectors, "unix:sha256:" + ToHex(*digest)), selectors.end());
}

TEST_F(LocalServerTest, SaysThatThereIsNoSuchProcess) {
  for (const pid_t pid : {0, -1, 4194305})
    EXPECT_EQ(Inspect(pid).error().Name(), "process-not-found") << pid;
}

}  // namespace
}  // namespace lodekey::agent
