// The Workload API as clients of the standard see it, over its real socket.
#include <fcntl.h>
#include <future>

#include "base/hex.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "platform/process_snapshot.h"
#include "tests/agent/raw_call.h"
#include "tests/agent/workload_client.h"
#include "tests/support/program.h"

namespace lodekey::test {
namespace {

using grpc::StatusCode;
namespace health = ::grpc::health::v1;

TEST_F(WorkloadServerTest, GivesAnIdentityWithItsKeyAndTheBundle) {
  auto stream = X509Svids();
  const auto response = stream.Next();
  ASSERT_EQ(response.svids_size(), 1);
  const X509SVID& svid = response.svids(0);
  EXPECT_EQ(svid.spiffe_id(), "spiffe://example.org/web");
  EXPECT_EQ(svid.x509_svid_key(), "key of " + svid.x509_svid());
  EXPECT_EQ(svid.bundle(), "root");
  EXPECT_EQ(svid.hint(), "");
  EXPECT_TRUE(response.federated_bundles().empty());
}

TEST_F(WorkloadServerTest, GivesTheOldestIdentityFirstAndOneOfEachHintAndId) {
  auto newest = std::make_shared<attest::Entry>(*WorkloadRig::Entry("web", {OwnUid()}));
  newest->id = "another entry of web";
  rig_.SetEntries({WorkloadRig::Entry("zebra", {OwnUid()}, "internal"),
                   WorkloadRig::Entry("web", {OwnUid()}),
                   WorkloadRig::Entry("api", {OwnUid()}, "internal"),
                   WorkloadRig::Entry("db", {OwnUid()}, "external"), newest});
  auto stream = X509Svids();
  std::string ids;
  const auto response = stream.Next();
  for (const X509SVID& svid : response.svids()) ids += svid.spiffe_id() + svid.hint() + " ";
  EXPECT_EQ(ids,
            "spiffe://example.org/zebrainternal spiffe://example.org/web "
            "spiffe://example.org/dbexternal ");
}

TEST_F(WorkloadServerTest, PushesEachRenewal) {
  auto stream = X509Svids();
  std::string before = stream.Next().svids(0).x509_svid();
  for (int i = 0; i < 3; ++i) {
    rig_.Renew();
    const std::string now = stream.Next().svids(0).x509_svid();
    EXPECT_NE(now, std::exchange(before, now));
  }
}

TEST_F(WorkloadServerTest, PushesBundlesWhenTheyChangeAndOnlyThen) {
  auto svids = X509Svids();
  auto x509 = X509Bundles();
  auto jwt = JwtBundles();
  EXPECT_EQ(svids.Next().svids(0).bundle(), "root");
  EXPECT_EQ(x509.Next().bundles().at("spiffe://example.org"), "root");
  const std::string jwks = jwt.Next().bundles().at("spiffe://example.org");
  EXPECT_NE(jwks.find("\"0a\""), jwks.npos) << jwks;
  rig_.Renew();
  svids.Next();
  rig_.SetEntries({WorkloadRig::Entry("web", {OwnUid()})}, "other root");
  EXPECT_EQ(x509.Next().bundles().at("spiffe://example.org"), "other root")
      << "nothing came of the renewal";
  EXPECT_NE(jwt.Next().bundles().at("spiffe://example.org"), jwks) << "it has a sequence number";
  EXPECT_EQ(svids.Next().svids(0).bundle(), "other root");
}

TEST_F(WorkloadServerTest, LooksAgainWhenEntriesComeToAskForADigest) {
  const platform::UniqueFd self(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const std::string digest = "unix:sha256:" + ToHex(*Must(rig_.digests.Of(self)));
  const auto web = WorkloadRig::Entry("web", {OwnUid()});
  const auto exact = WorkloadRig::Entry("exact", {OwnUid(), digest});
  auto stream = X509Svids();
  EXPECT_EQ(stream.Next().svids_size(), 1);
  rig_.SetEntries({web, exact});
  rig_.Renew();
  X509SVIDResponse response;
  do {
    response = stream.Next();
  } while (response.svids_size() == 1 && !HasFailure());
  EXPECT_EQ(response.svids(1).spiffe_id(), WorkloadRig::IdOf("exact"));
}

TEST(WorkloadServerStart, LooksAgainAtWhoAskedBeforeThereWereEntries) {
  WorkloadRig rig;
  RawCall call(rig.socket());
  const platform::UniqueFd self(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const std::string digest = "unix:sha256:" + ToHex(*Must(rig.digests.Of(self)));
  call.Ask();
  EXPECT_EQ(call.Hear(/*seconds=*/1).what, Heard::What::kNothing);
  rig.SetEntries({WorkloadRig::Entry("exact", {OwnUid(), digest})});
  EXPECT_EQ(call.Hear().text, WorkloadRig::IdOf("exact"));
}

TEST_F(WorkloadServerTest, RefusesEveryCallWithoutTheHeader) {
  EXPECT_EQ(X509Svids(false).End(), "3 workload-header");
  EXPECT_EQ(X509Bundles(false).End(), "3 workload-header");
  EXPECT_EQ(JwtBundles(false).End(), "3 workload-header");
  EXPECT_EQ(FetchJwt({"vault"}, false), "3 workload-header");
  EXPECT_EQ(Validate("x", "vault", false), "3 workload-header");
  auto wrong = NewContext(false);
  wrong->AddMetadata("workload.spiffe.io", "TRUE");
  JWTSVIDRequest request;
  request.add_audience("vault");
  EXPECT_EQ(stub_->FetchJWTSVID(wrong.get(), request, &jwts_).error_code(),
            StatusCode::INVALID_ARGUMENT);
}

TEST_F(WorkloadServerTest, RefusesWhoHasNoEntry) {
  rig_.SetEntries({WorkloadRig::Entry("web", {"unix:uid:4711"})});
  EXPECT_EQ(X509Svids().End(), "7 no-identity");
  EXPECT_EQ(X509Bundles().End(), "7 no-identity");
  EXPECT_EQ(JwtBundles().End(), "7 no-identity");
  EXPECT_EQ(FetchJwt({"vault"}), "7 no-identity");
}

TEST_F(WorkloadServerTest, EndsStreamsWithTheReasonWhenTheHostIsRefused) {
  auto svids = X509Svids();
  auto bundles = X509Bundles();
  svids.Next();
  bundles.Next();
  rig_.book.Withdraw({.code = Code::kDenied, .text = "refused", .name = "node-refused"});
  EXPECT_EQ(svids.End(), "7 node-refused");
  EXPECT_EQ(bundles.End(), "7 node-refused");
}

TEST_F(WorkloadServerTest, AsksForAnAudienceOfBoundedSize) {
  EXPECT_EQ(FetchJwt({}), "3 audience-invalid");
  EXPECT_EQ(FetchJwt({"vault", ""}), "3 audience-invalid");
  EXPECT_EQ(FetchJwt({std::string(256, 'a')}), "3 audience-invalid");
  EXPECT_EQ(FetchJwt(std::vector<std::string>(33, "vault")), "3 audience-invalid");
  EXPECT_EQ(FetchJwt(std::vector<std::string>(32, std::string(255, 'a'))), "");
}

TEST_F(WorkloadServerTest, TakesScopeAndTaskAsMetadata) {
  std::string sixteen = "1";
  for (int i = 2; i <= 16; ++i) sixteen += " " + std::to_string(i);
  EXPECT_EQ(FetchJwtWith({{"lodekey-scope", "read write"}, {"lodekey-task", "nightly backup"}}),
            "");
  EXPECT_EQ(FetchJwtWith({{"lodekey-scope", sixteen}}), "");
  EXPECT_EQ(FetchJwtWith({{"lodekey-scope", sixteen + " 17"}}), "3 scope-invalid");
  EXPECT_EQ(FetchJwtWith({{"lodekey-scope", "read  write"}}), "3 scope-invalid");
  EXPECT_EQ(FetchJwtWith({{"lodekey-scope", "\"read\""}}), "3 scope-invalid");
  EXPECT_EQ(FetchJwtWith({{"lodekey-scope", "read"}, {"lodekey-scope", "write"}}),
            "3 scope-invalid");
  EXPECT_EQ(FetchJwtWith({{"lodekey-task", std::string(128, 't')}}), "");
  EXPECT_EQ(FetchJwtWith({{"lodekey-task", std::string(129, 't')}}), "3 task-invalid");
  EXPECT_EQ(FetchJwtWith({{"lodekey-task", "a"}, {"lodekey-task", "b"}}), "3 task-invalid");
}

TEST_F(WorkloadServerTest, AsksTheIssuerForScopeAndTask) {
  rig_.StopIssuing();
  auto waits = std::async(std::launch::async, [&] {
    return FetchJwtWith({{"lodekey-scope", "write read"}, {"lodekey-task", "backup"}});
  });
  ASSERT_TRUE(Eventually([&] { return rig_.tokens.HasWanted(); }));
  const auto wanted = rig_.tokens.TakeWanted(1);
  EXPECT_EQ(wanted.at(0).purpose,
            (attest::TokenPurpose{
                .audiences = {"vault"}, .scopes = {"read", "write"}, .task = "backup"}));
  rig_.tokens.Fail(wanted.at(0), {.code = Code::kDenied, .text = "no", .name = "scope-denied"});
  EXPECT_EQ(waits.get(), "7 scope-denied");
}

TEST_F(WorkloadServerTest, GivesATokenForEachIdentity) {
  rig_.SetEntries(
      {WorkloadRig::Entry("web", {OwnUid()}, "internal"), WorkloadRig::Entry("api", {OwnUid()})});
  EXPECT_EQ(FetchJwt({"vault"}), "");
  ASSERT_EQ(jwts_.svids_size(), 2);
  EXPECT_EQ(jwts_.svids(0).spiffe_id(), "spiffe://example.org/web");
  EXPECT_EQ(jwts_.svids(0).svid(), "token for vault");
  EXPECT_EQ(jwts_.svids(0).hint(), "internal");
}

// Held up on their way to the caller.
class WorkloadServerTokens : public WorkloadServerTest {
 protected:
  // What the caller of FetchJwt is told when `meanwhile` happens after its token has come and
  // before it is sent.
  template <class Meanwhile>
  std::string FetchAround(Meanwhile meanwhile) {
    rig_.StopIssuing();
    auto fetched = std::async(std::launch::async, [&] { return FetchJwt({"vault"}); });
    EXPECT_TRUE(Eventually([&] { return rig_.tokens.HasWanted(); }));
    // One user has one thread of the pool: while this one looks on, nobody is confirmed.
    std::promise<void> looked;
    std::promise<void> go_on;
    platform::Peer self = Must(platform::PeerOfPid(::getpid()));
    auto snapshot = Must(platform::TakeSnapshot(self));
    rig_.pool->Confirm(std::make_shared<const agent::CallingProcess>(agent::CallingProcess{
                           .peer = std::make_shared<const platform::Peer>(std::move(self)),
                           .snapshot = std::move(snapshot)}),
                       [&](const Result<void>&) {
                         looked.set_value();
                         go_on.get_future().wait();
                       });
    looked.get_future().wait();
    rig_.IssueTokens();
    meanwhile();
    go_on.set_value();
    return fetched.get();
  }
};

TEST_F(WorkloadServerTokens, AreSentWhenNothingHasChanged) {
  EXPECT_EQ(FetchAround([] {}), "");
  ASSERT_EQ(jwts_.svids_size(), 1);
  EXPECT_EQ(jwts_.svids(0).svid(), "token for vault");
}

TEST_F(WorkloadServerTokens, AreNotSentOnceTheHostIsRefused) {
  const auto withdraw = [&] {
    rig_.book.Withdraw({.code = Code::kDenied, .text = "refused", .name = "node-refused"});
  };
  EXPECT_EQ(FetchAround(withdraw), "7 node-refused");
  EXPECT_EQ(jwts_.svids_size(), 0);
}

TEST_F(WorkloadServerTokens, AreNotSentOnceTheEntryIsGone) {
  const auto remove = [&] { rig_.SetEntries({WorkloadRig::Entry("other", {OwnUid()})}); };
  EXPECT_EQ(FetchAround(remove), "14 entry-changed");
}

TEST_F(WorkloadServerTokens, AreNotSentOnceTheyHaveEnded) {
  EXPECT_EQ(FetchAround([&] { rig_.Pass(std::chrono::minutes(5)); }), "14 svid-ended");
}

TEST_F(WorkloadServerTest, RefusesTooManyTokensOfOneUser) {
  rig_.StopIssuing();
  const auto ask = [&](size_t audience) {
    rig_.tokens.Fetch({{.selector = Must(attest::ParseSelector(OwnUid()))}},
                      {.audiences = {std::to_string(audience)}}, "", [](const auto&) {});
  };
  for (size_t i = 0; i < agent::JwtSvids::kMaxOpen; ++i) ask(i);
  EXPECT_EQ(FetchJwt({"vault"}), "8 too-many-requests");
}

TEST_F(WorkloadServerTest, StopsThoughSomebodyWaitsForAToken) {
  rig_.StopIssuing();
  auto waits = std::async(std::launch::async, [&] { return FetchJwt({"vault"}); });
  ASSERT_TRUE(Eventually([&] { return rig_.tokens.HasWanted(); }));
  rig_.server.reset();
  EXPECT_NE(waits.get(), "");
}

TEST_F(WorkloadServerTest, ForgetsACallerWhoNoLongerWaitsForItsToken) {
  rig_.StopIssuing();
  JWTSVIDRequest request;
  request.add_audience("vault");
  auto context = NewContext();
  std::promise<void> ended;
  stub_->async()->FetchJWTSVID(context.get(), &request, &jwts_,
                               [&](const grpc::Status&) { ended.set_value(); });
  ASSERT_TRUE(Eventually([&] { return rig_.tokens.HasWanted(); }));
  context->TryCancel();
  ended.get_future().get();
  rig_.Pass(agent::SvidBook::kPatience + std::chrono::seconds(1));
  rig_.tokens.Tick();
  context.reset();  // with the call it has the channel
  channel_.reset();
  stub_.reset();
  EXPECT_TRUE(Eventually([&] { return rig_.server->users() == 0; }));
}

TEST_F(WorkloadServerTest, ValidatesTokensForEverybody) {
  rig_.SetEntries({WorkloadRig::Entry("web", {"unix:uid:4711"})});
  const std::string good =
      Token(R"({"sub":"spiffe://example.org/web","aud":["vault"],"exp":1800000300})");
  EXPECT_EQ(Validate(good), "");
  EXPECT_EQ(validated_.spiffe_id(), "spiffe://example.org/web");
  EXPECT_EQ(validated_.claims().fields().at("sub").string_value(), "spiffe://example.org/web");
  EXPECT_EQ(Validate(good, "other"), "3 jwt-audience");
  EXPECT_EQ(Validate(good, ""), "3 audience-invalid");
  EXPECT_EQ(Validate(""), "3 jws-malformed");
  EXPECT_EQ(Validate(Token(R"({"sub":"spiffe://example.org/web","aud":"vault","exp":1})")),
            "3 jwt-expired");
}

TEST_F(WorkloadServerTest, DoesNotKnowOtherMethods) {
  RawCall call(rig_.socket());
  call.Ask("FetchNothing");
  const Heard heard = call.Hear();
  EXPECT_EQ(heard.what, Heard::What::kEnd);
  EXPECT_EQ(heard.status, StatusCode::UNIMPLEMENTED);
}

TEST_F(WorkloadServerTest, RefusesWhatIsNoRequest) {
  const auto refusal = [](const char* name) {
    return Heard{Heard::What::kEnd, StatusCode::INVALID_ARGUMENT, name};
  };
  RawCall garbled(rig_.socket()), missing(rig_.socket());
  garbled.Ask("FetchJWTSVID", "\xff");
  EXPECT_EQ(garbled.Hear(), refusal("request-malformed"));
  missing.AskNothing();
  EXPECT_EQ(missing.Hear(), refusal("request-missing"));
}

TEST_F(WorkloadServerTest, TellsItsHealth) {
  const auto stub = health::Health::NewStub(channel_);
  const auto check = [&](const std::string& service) {
    health::HealthCheckRequest request;
    request.set_service(service);
    health::HealthCheckResponse response;
    const auto context = NewContext(/*header=*/false);
    const grpc::Status status = stub->Check(context.get(), request, &response);
    return status.ok() ? health::HealthCheckResponse::ServingStatus_Name(response.status())
                       : std::to_string(status.error_code());
  };
  EXPECT_EQ(check(""), "SERVING");
  EXPECT_EQ(check("SpiffeWorkloadAPI"), "SERVING");
  EXPECT_EQ(check("another"), std::to_string(StatusCode::NOT_FOUND));
  rig_.book.Withdraw({.code = Code::kDenied, .text = "refused", .name = "node-refused"});
  EXPECT_EQ(check(""), "NOT_SERVING");
}

TEST(WorkloadServerStart, IsUnavailableUntilThereAreEntries) {
  WorkloadRig rig;
  RawCall call(rig.socket());
  call.Ask();
  ASSERT_TRUE(Eventually([&] { return rig.server->users() == 1; }));
  Heard heard;
  ASSERT_TRUE(Eventually([&] {
    rig.Pass(agent::SvidBook::kPatience + std::chrono::seconds(1));
    heard = call.Hear(/*seconds=*/0);
    return heard.what != Heard::What::kNothing;
  }));
  EXPECT_EQ(heard.status, StatusCode::UNAVAILABLE);
  EXPECT_EQ(heard.text, "entries-unknown");
}
}  // namespace
}  // namespace lodekey::test
