// The Workload API under clients that do not read, and under those that ask for too much.
#include <atomic>
#include <latch>

#include "tests/agent/raw_call.h"
#include "tests/agent/workload_client.h"
#include "tests/support/program.h"

namespace lodekey::test {
namespace {

using grpc::StatusCode;

class BigBundleTest : public WorkloadServerTest {
 protected:
  // Until the window of a client that does not read is full.
  static void AskAndFill(RawCall& call) {
    call.Ask();
    EXPECT_TRUE(Eventually([&] { return call.Hear(/*seconds=*/0), call.part() == 65'535; }));
  }
  // More than that has room for.
  void Become(const std::string& name) {
    rig_.SetEntries({WorkloadRig::Entry(name, {OwnUid()})}, std::string(300'000, 'r'));
    RawCall other(rig_.socket());
    other.Ask();
    other.OpenWindow();
    EXPECT_EQ(other.Hear().text, WorkloadRig::IdOf(name)) << "others are served";
  }
};

TEST_F(BigBundleTest, KeepsTheNewestAloneForAClientThatDoesNotRead) {
  Become("first");
  RawCall idle(rig_.socket());
  AskAndFill(idle);
  for (const char* name : {"second", "third", "fourth", "last"}) Become(name);
  idle.OpenWindow();
  EXPECT_EQ(idle.Hear().text, WorkloadRig::IdOf("first")) << "it was on its way";
  EXPECT_EQ(idle.Hear().text, WorkloadRig::IdOf("last"));
}

TEST_F(BigBundleTest, TellsAClientThatDoesNotReadWhyItsStreamEnded) {
  Become("first");
  RawCall idle(rig_.socket());
  AskAndFill(idle);
  rig_.SetEntries({});
  idle.OpenWindow();
  EXPECT_EQ(idle.Hear().text, WorkloadRig::IdOf("first")) << "it was on its way";
  EXPECT_EQ(idle.Hear(), (Heard{Heard::What::kEnd, StatusCode::PERMISSION_DENIED, "no-identity"}));
}

// Many streams of one process, and what became of them.
class Flood {
 public:
  Flood(WorkloadStub& stub, int count) : ended_(count) {
    for (int i = 0; i < count; ++i) readers_.push_back(std::make_unique<Reader>(*this, stub));
  }
  ~Flood() {
    for (const auto& reader : readers_) reader->Cancel();
    ended_.wait();
  }
  int served() const { return served_; }
  int refused() const { return refused_; }

 private:
  class Reader final : public grpc::ClientReadReactor<X509SVIDResponse> {
   public:
    Reader(Flood& flood, WorkloadStub& stub) : flood_(flood), context_(NewContext()) {
      stub.async()->FetchX509SVID(context_.get(), &request_, this);
      StartRead(&response_);
      StartCall();
    }
    void Cancel() { context_->TryCancel(); }
    void OnReadDone(bool ok) override {
      if (!ok) return;
      ++flood_.served_;
      StartRead(&response_);
    }
    void OnDone(const grpc::Status& status) override {
      if (status.error_code() == StatusCode::RESOURCE_EXHAUSTED) ++flood_.refused_;
      flood_.ended_.count_down();
    }

   private:
    Flood& flood_;
    std::unique_ptr<grpc::ClientContext> context_;
    X509SVIDRequest request_;
    X509SVIDResponse response_;
  };

  std::latch ended_;
  std::atomic<int> served_ = 0;
  std::atomic<int> refused_ = 0;
  std::vector<std::unique_ptr<Reader>> readers_;
};

constexpr uid_t kOther = 53001;

class CrowdedTest : public WorkloadServerTest {
 protected:
  CrowdedTest()
      : WorkloadServerTest({.connections = 8, .streams = 100, .pending = 100, .refusals = 5000}) {}

  void ExpectThatOthersAreServed() {
    rig_.SetEntries({WorkloadRig::Entry("web", {OwnUid()}), WorkloadRig::EntryOf(kOther)});
    // Fewer than may be connected at once: that one has gone is noticed later.
    for (int i = 0; i < 5; ++i) {
      RawCall other(rig_.socket(), {.before = [] { (void)!::setresuid(kOther, kOther, kOther); }});
      const Heard heard = other.AskAndHear();
      EXPECT_EQ(heard.text, WorkloadRig::IdOf(kOther))
          << "heard " << static_cast<int>(heard.what) << ", status " << heard.status;
    }
  }
};

TEST_F(CrowdedTest, RefusesStreamsBeyondAUsersShareWhileOthersAreServed) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to become another user";
  constexpr int kStreams = 5000;
  {
    const Flood flood(*stub_, kStreams);
    ExpectThatOthersAreServed();
    EXPECT_TRUE(Eventually([&] { return flood.refused() + 100 == kStreams; })) << flood.refused();
    EXPECT_TRUE(Eventually([&] { return flood.served() >= 100; }));
  }
  EXPECT_EQ(X509Svids().Next().svids_size(), 1) << "there is room again";
}

TEST_F(CrowdedTest, ChargesACallToItsUserBeforeItsRequestIsThere) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to become another user";
  {
    RawCall silent(rig_.socket());
    silent.BeginCalls(101);
    EXPECT_EQ(silent.Hear(),
              (Heard{Heard::What::kEnd, StatusCode::RESOURCE_EXHAUSTED, "too-many-streams"}));
    EXPECT_EQ(FetchJwt({"vault"}), "8 too-many-streams");
    ExpectThatOthersAreServed();
  }
  EXPECT_TRUE(Eventually([&] { return FetchJwt({"vault"}).empty(); })) << "there is room again";
}

TEST_F(CrowdedTest, ClosesTheConnectionOfWhoDoesNotReadItsRefusals) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to become another user";
  RawCall greedy(rig_.socket());
  ASSERT_TRUE(Eventually([&] { return rig_.server->connections() == 1; }));
  greedy.BeginCalls(100'000);
  ExpectThatOthersAreServed();
  EXPECT_TRUE(Eventually([&] { return rig_.server->connections() == 0; }));
  EXPECT_TRUE(Eventually([&] { return rig_.server->users() == 0; }));
}

TEST_F(CrowdedTest, TakesNoMoreMetadataThanItSays) {
  const auto context = NewContext();
  context->AddMetadata("much", std::string(4 << 10, 'x'));
  JWTSVIDRequest request;
  request.add_audience("vault");
  EXPECT_EQ(stub_->FetchJWTSVID(context.get(), request, &jwts_).error_code(),
            StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(CrowdedTest, ClosesConnectionsBeyondAUsersShare) {
  std::vector<std::unique_ptr<RawCall>> held;
  for (int i = 0; i < 8; ++i) {
    held.push_back(std::make_unique<RawCall>(rig_.socket()));
    EXPECT_EQ(held.back()->AskAndHear().what, Heard::What::kMessage);
  }
  RawCall refused(rig_.socket());
  EXPECT_EQ(refused.AskAndHear().what, Heard::What::kClosed);
  held.pop_back();
  EXPECT_TRUE(Eventually([&] {
    RawCall again(rig_.socket());
    return again.AskAndHear().what == Heard::What::kMessage;
  }));
}

}  // namespace
}  // namespace lodekey::test
