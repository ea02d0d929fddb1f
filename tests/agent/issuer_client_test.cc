// The agent's client against a server of the test's own, over real TLS: what is pinned is the
// test's authority, and the node's key is in memory.
#include "agent/issuer_client.h"

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "crypto/tls_policy.h"
#include "lodekey/node/v1/node_service.grpc.pb.h"
#include "tests/crypto/test_ca.h"
#include "tests/support/must.h"
#include "tests/support/program.h"

namespace lodekey::agent {
namespace {

namespace node = lodekey::node::v1;
using test::Eventually;
using test::Must;

// A stream that the test writes to and ends.
class Feed final : public grpc::ServerWriteReactor<node::EntrySet> {
 public:
  explicit Feed(std::string peer) : peer_(std::move(peer)) {}

  // gRPC takes one write at a time; the client may have a message before its write is done here.
  void Send(uint64_t sequence) {
    AwaitWrite();
    message_.mutable_bundle()->set_sequence(sequence);
    writing_ = true;
    StartWrite(&message_);
  }
  void OnWriteDone(bool) override {
    writing_ = false;
    writing_.notify_all();
  }
  void End(const grpc::Status& status) {
    AwaitWrite();
    Finish(status);
  }
  void OnCancel() override { Finish(grpc::Status::CANCELLED); }
  void OnDone() override {
    over_ = true;
    if (--owners_ == 0) delete this;
  }
  // The test's own hold on it.
  void Release() {
    if (--owners_ == 0) delete this;
  }
  bool over() const { return over_; }
  const std::string& peer() const { return peer_; }

 private:
  void AwaitWrite() const { writing_.wait(true); }

  const std::string peer_;
  node::EntrySet message_;
  std::atomic<bool> writing_ = false;
  std::atomic<bool> over_ = false;
  std::atomic<int> owners_ = 2;
};
using FeedPtr = std::unique_ptr<Feed, void (*)(Feed*)>;

class Service final : public node::NodeService::CallbackService {
 public:
  // The next stream that is opened; null when none is within a while.
  FeedPtr NextFeed() {
    FeedPtr next(nullptr, [](Feed* feed) { feed->Release(); });
    const bool opened = Eventually([&] {
      const std::scoped_lock lock(mutex_);
      return !feeds_.empty();
    });
    const std::scoped_lock lock(mutex_);
    if (!opened) return next;
    next = std::move(feeds_.front());
    feeds_.erase(feeds_.begin());
    return next;
  }
  // Connections by which Issue was called.
  size_t connections() {
    const std::scoped_lock lock(mutex_);
    return peers_.size();
  }

 private:
  grpc::ServerWriteReactor<node::EntrySet>* WatchEntries(
      grpc::CallbackServerContext* context, const node::WatchEntriesRequest*) override {
    auto* feed = new Feed(context->peer());
    context->AddTrailingMetadata("lodekey-error", "node-refused");
    context->AddTrailingMetadata("lodekey-advice", "look at the issuer");
    const std::scoped_lock lock(mutex_);
    feeds_.emplace_back(feed, [](Feed* one) { one->Release(); });
    return feed;
  }
  grpc::ServerUnaryReactor* Issue(grpc::CallbackServerContext* context, const node::IssueRequest*,
                                  node::IssueResponse* response) override {
    {
      const std::scoped_lock lock(mutex_);
      peers_.insert(context->peer());
    }
    response->set_time_unix_ms(1);
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  std::mutex mutex_;
  std::vector<FeedPtr> feeds_;
  std::set<std::string> peers_;
};

// What a stream has brought; outlives it.
struct Heard {
  std::mutex mutex;
  std::vector<uint64_t> sequences = {};
  std::optional<Error> end = {};

  IssuerClient::EntryListener Listener() {
    return {.entries =
                [this](const node::EntrySet& set) {
                  const std::scoped_lock lock(mutex);
                  sequences.push_back(set.bundle().sequence());
                },
            .ended =
                [this](const Error& error) {
                  const std::scoped_lock lock(mutex);
                  end = error;
                }};
  }
  bool Has(uint64_t sequence) {
    return Eventually([&] {
      const std::scoped_lock lock(mutex);
      return !sequences.empty() && sequences.back() == sequence;
    });
  }
  // The name of its end; "" when there is none within a while.
  std::string End() {
    Eventually([&] {
      const std::scoped_lock lock(mutex);
      return end.has_value();
    });
    const std::scoped_lock lock(mutex);
    return end ? std::string(end->Name()) : "";
  }
};

class IssuerClientTest : public testing::Test {
 protected:
  IssuerClientTest() {
    static const bool policy = [] {
      Must(crypto::RequireFullTls13Handshakes());
      Must(crypto::LeaveServerValidityToCaller());
      return true;
    }();
    (void)policy;
    crypto::CertificateSpec spec = test::LeafSpec("spiffe://example.org/lodekey/issuer");
    spec.server_auth = true;
    const auto server = test::SignedBy(authority_, spec);
    grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
    options.pem_key_cert_pairs.push_back(
        {PemOf(server.key), server.certificate.ToPem() + authority_.certificate.ToPem()});
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    client_ =
        IssuerClient::Create(fmt::format("127.0.0.1:{}", port_),
                             {.trust_domain = "example.org",
                              .pins = {ToBytes(authority_.certificate.key().spki_sha256())},
                              .now = [] { return test::ValidFrom() + std::chrono::hours(1); }});
  }
  ~IssuerClientTest() override {
    stream_.reset();
    client_.reset();
    StopServer();
  }

  static std::string PemOf(const crypto::PrivateKey& key) {
    return std::string(AsText(Must(key.ToPem()).Reveal()));
  }
  // Takes an identity into use: another one each time, over a connection of its own.
  void UseIdentity() {
    crypto::CertificateSpec spec = test::LeafSpec("spiffe://example.org/node/x");
    spec.client_auth = true;
    const auto identity = test::SignedBy(authority_, spec);
    client_->UseIdentity(identity.certificate.ToPem(), PemOf(identity.key), authority_.certificate);
  }
  void Watch(Heard& heard) { stream_ = Must(client_->WatchEntries(heard.Listener())); }
  // The service's end of a stream under a first identity.
  FeedPtr Open(Heard& heard) {
    UseIdentity();
    Watch(heard);
    return service_.NextFeed();
  }
  void StopServer() {
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }

  test::Identity authority_ = test::SelfSigned(test::CaSpec("authority"));
  Service service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<IssuerClient> client_;
  std::unique_ptr<IssuerClient::EntryStream> stream_;
};

TEST_F(IssuerClientTest, HasNothingToCallWithBeforeThereIsAnIdentity) {
  Heard heard;
  EXPECT_EQ(client_->Issue({}).error().Name(), "not-enrolled");
  EXPECT_EQ(client_->WatchEntries(heard.Listener()).error().Name(), "not-enrolled");
  UseIdentity();
  EXPECT_TRUE(client_->Issue({}));
  client_->DropIdentity();
  EXPECT_EQ(client_->Issue({}).error().Name(), "not-enrolled");
}

TEST_F(IssuerClientTest, BringsWhatComesAndTheReasonOfTheEnd) {
  Heard heard;
  const FeedPtr feed = Open(heard);
  ASSERT_NE(feed, nullptr);
  feed->Send(1);
  ASSERT_TRUE(heard.Has(1));
  feed->Send(2);
  ASSERT_TRUE(heard.Has(2));
  feed->End({grpc::StatusCode::PERMISSION_DENIED, "no longer"});
  EXPECT_EQ(heard.End(), "node-refused");
  EXPECT_EQ(heard.end->code, Code::kDenied);
  EXPECT_EQ(heard.end->advice, "look at the issuer");
}

TEST_F(IssuerClientTest, SaysWhenTheIssuerCannotBeReached) {
  Heard heard;
  UseIdentity();
  StopServer();
  Watch(heard);
  EXPECT_EQ(heard.End(), "issuer-unreachable");
  EXPECT_EQ(client_->Issue({}).error().Name(), "issuer-unreachable");
}

TEST_F(IssuerClientTest, IsSilentAboutAStreamThatWasGivenUp) {
  Heard heard;
  const FeedPtr feed = Open(heard);
  ASSERT_NE(feed, nullptr);
  feed->Send(1);
  ASSERT_TRUE(heard.Has(1));
  stream_.reset();
  EXPECT_FALSE(heard.end) << "it was not the issuer who ended it";
  EXPECT_TRUE(Eventually([&] { return feed->over(); })) << "the issuer hears of it";
}

TEST_F(IssuerClientTest, LetsAStreamGoOnWhileTheNextIdentityIsTakenIntoUse) {
  Heard before;
  const FeedPtr first = Open(before);
  ASSERT_NE(first, nullptr);
  UseIdentity();
  first->Send(1);
  EXPECT_TRUE(before.Has(1)) << "over the connection it began with";
  Heard after;
  const auto stream = Must(client_->WatchEntries(after.Listener()));
  const FeedPtr second = service_.NextFeed();
  ASSERT_NE(second, nullptr);
  EXPECT_NE(second->peer(), first->peer());
  second->Send(2);
  EXPECT_TRUE(after.Has(2));
}

TEST_F(IssuerClientTest, MakesAllCallsOfAllThreadsOverOneConnection) {
  Heard heard;
  const FeedPtr feed = Open(heard);
  ASSERT_NE(feed, nullptr);
  std::vector<std::future<bool>> calls;
  for (int i = 0; i < 16; ++i) {
    calls.push_back(std::async(std::launch::async, [&] { return client_->Issue({}).has_value(); }));
  }
  for (auto& call : calls) EXPECT_TRUE(call.get());
  EXPECT_EQ(service_.connections(), 1U);
}

}  // namespace
}  // namespace lodekey::agent
