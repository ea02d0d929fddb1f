// Entries and credentials of workloads at the issuer's port: real gRPC over real TLS on loopback.
#include <optional>

#include <gtest/gtest.h>

#include "agent/jwt_check.h"
#include "cli/admin_client.h"
#include "issuer/workload_request.h"
#include "tests/issuer/server_fixture.h"
#include "tests/issuer/workload.h"
#include "tests/support/program.h"

namespace lodekey::test {
namespace {

using std::chrono::seconds;

// A node's WatchEntries call.
class Stream {
 public:
  explicit Stream(PortStub& stub) {
    context_.set_deadline(std::chrono::system_clock::now() + seconds(20));
    reader_ = stub.WatchEntries(&context_, {});
  }

  // The next set; nothing: the stream has ended.
  std::optional<node::EntrySet> Next() {
    node::EntrySet set;
    if (!reader_->Read(&set)) return std::nullopt;
    return set;
  }
  // Sets until one has so many entries; how many that took, or -1.
  int Until(int entries) {
    for (int count = 1;; ++count) {
      const auto set = Next();
      if (!set) return -1;
      if (set->entries_size() == entries) return count;
    }
  }
  // Reads what is left; the stable name of the reason for which it ended.
  std::string End() {
    while (Next()) continue;
    status_ = reader_->Finish();
    const auto& trailers = context_.GetServerTrailingMetadata();
    const auto name = trailers.find("lodekey-error");
    return name == trailers.end() ? status_.error_message()
                                  : std::string(name->second.data(), name->second.size());
  }
  const grpc::Status& status() const { return status_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<node::EntrySet>> reader_;
  grpc::Status status_;
};

class WorkloadPortTest : public PortTest {
 protected:
  WorkloadPortTest() { Serve(); }

  // As an operator's change comes to be known.
  attest::Entry Put(const attest::Entry& entry) const {
    const attest::Entry stored = rig_->Put(entry);
    rig_->context->entries_changed({stored.id});
    return stored;
  }
  // What one call of Issue comes to.
  static std::string Issue(PortStub& client, const node::IssueRequest& request) {
    std::string name;
    node::IssueResponse response;
    const auto status = Call(client, &PortStub::Issue, request, response, &name);
    if (!status.ok()) return name.empty() ? status.error_message() : name;
    return Answer(Result<node::IssueResponse>(response));
  }
  static std::string WatchRefusal(PortStub& client) { return Stream(client).End(); }
};

// --- WatchEntries ---

TEST_F(WorkloadPortTest, ANodeHearsOfItsEntriesAtOnceAndOfEachChange) {
  const Host host = Enrolled();
  auto entry = Put(EntryFor(host));
  const auto client = Client(IdentityOf(host));
  Stream stream(*client);
  const auto first = stream.Next();
  ASSERT_TRUE(first);
  ASSERT_EQ(first->entries_size(), 1);
  EXPECT_EQ(first->entries(0).id(), entry.id);
  EXPECT_EQ(first->bundle().roots_size(), 1);
  EXPECT_EQ(first->bundle().jwt_keys_size(), 2);
  Put(EntryFor(host, "db"));
  EXPECT_EQ(stream.Until(2), 1);
  entry.dns_names = {"web.example.org"};
  entry = Put(entry);
  const auto third = stream.Next();
  ASSERT_TRUE(third);
  EXPECT_EQ(third->entries(0).revision(), entry.revision);
}

TEST_F(WorkloadPortTest, ANodeHearsOfItsLabels) {
  const Host host = Enrolled();
  attest::Entry entry = EntryFor(host);
  entry.scope = {.labels = {{"site", "berlin"}}};
  Put(entry);
  const auto client = Client(IdentityOf(host));
  Stream stream(*client);
  EXPECT_EQ(stream.Until(0), 1);
  Must(rig_->inventory->Allow(host.id(), {{"site", "berlin"}}, "test"));
  EXPECT_EQ(stream.Until(1), 1);
}

TEST_F(WorkloadPortTest, ANodeHearsOfABundleThatChanged) {
  const Host host = Enrolled();
  const auto client = Client(IdentityOf(host));
  Stream stream(*client);
  const auto first = stream.Next();
  ASSERT_TRUE(first);
  const Time later = rig_->now + rig_->config.jwt_key_ttl;
  Must(rig_->authority->Refresh(later));
  Must(server_->Refresh(rig_->now));
  const auto second = stream.Next();
  ASSERT_TRUE(second);
  EXPECT_GT(second->bundle().sequence(), first->bundle().sequence());
}

TEST_F(WorkloadPortTest, ARefusedNodesStreamEndsWithTheReasonAndNoOther) {
  Host host = Enrolled();
  const Host other = Enrolled();
  const auto client = Client(IdentityOf(host)), bystander = Client(IdentityOf(other));
  Stream stream(*client), untouched(*bystander);
  ASSERT_TRUE(stream.Next());
  ASSERT_TRUE(untouched.Next());
  host.Extend(7);
  const auto attesting = Client(IdentityOf(host));
  EXPECT_EQ(AttestThrough(*attesting, host), "NODE_REFUSED pcr-changed-in-boot");
  EXPECT_EQ(stream.End(), "node-refused");
  EXPECT_EQ(stream.status().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(WatchRefusal(*client), "node-refused") << "and none begins";
  Put(EntryFor(other));
  EXPECT_EQ(untouched.Until(1), 1) << "nothing else moves";
}

TEST_F(WorkloadPortTest, ARemovedNodeHearsWhyBeforeItsConnectionIsShut) {
  const Host host = Enrolled();
  const auto client = Client(IdentityOf(host));
  Stream stream(*client);
  ASSERT_TRUE(stream.Next());
  Must(cli::ConnectAdmin(rig_->config.admin_socket)->RemoveNode(host.id()));
  EXPECT_EQ(stream.End(), "node-removed");
}

TEST_F(WorkloadPortTest, ANewerStreamOfANodeEndsTheOlder) {
  const Host host = Enrolled();
  const auto client = Client(IdentityOf(host)), again = Client(IdentityOf(host));
  Stream older(*client);
  ASSERT_TRUE(older.Next());
  Stream newer(*again);
  ASSERT_TRUE(newer.Next());
  EXPECT_EQ(older.End(), "watch-superseded");
  Put(EntryFor(host));
  EXPECT_EQ(newer.Until(1), 1);
}

TEST_F(WorkloadPortTest, StreamsEndAsTheIssuerStops) {
  const Host host = Enrolled();
  const auto client = Client(IdentityOf(host));
  Stream stream(*client);
  ASSERT_TRUE(stream.Next());
  server_.reset();
  EXPECT_EQ(stream.End(), "issuer-stopping");
}

TEST_F(WorkloadPortTest, ANodeThatHangsUpMayComeAgain) {
  const Host host = Enrolled();
  for (int i = 0; i < 3; ++i) {
    const auto client = Client(IdentityOf(host));
    grpc::ClientContext context;
    const auto reader = client->WatchEntries(&context, {});
    node::EntrySet set;
    ASSERT_TRUE(reader->Read(&set));
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
}

// Sets of half a megabyte, one for each change: only the newest waits for a node that does not
// read.
TEST_F(WorkloadPortTest, ASlowReaderGetsTheNewestSetAndNotAllThatWere) {
  constexpr int kChanges = 40;
  const Host slow = Enrolled(), quick = Enrolled();
  attest::Entry entry = EntryFor(slow);
  entry.scope.nodes.push_back(quick.id());
  entry.dns_names.assign(30, std::string(60, 'a') + "." + std::string(60, 'b') + "." +
                                 std::string(60, 'c') + ".example.org");
  auto put_another = [&, uid = 1000]() mutable {
    entry.selectors.front().value = std::to_string(++uid);
    Put(entry);
  };
  for (int i = 0; i < 80; ++i) put_another();
  const auto slow_client = Client(IdentityOf(slow)), quick_client = Client(IdentityOf(quick));
  Stream late(*slow_client), prompt(*quick_client);
  for (int i = 1; i <= kChanges; ++i) {
    put_another();
    ASSERT_GT(prompt.Until(80 + i), 0);
  }
  const int sets = late.Until(80 + kChanges);
  EXPECT_GT(sets, 0);
  EXPECT_LT(sets, kChanges / 2);
}

// --- Issue ---

TEST_F(WorkloadPortTest, ANodeGetsCredentialsForItsWorkloads) {
  const Host host = Enrolled();
  const auto entry = Put(EntryFor(host));
  const auto client = Client(IdentityOf(host));
  const auto request = RequestOf({X509Item(entry), JwtItem(entry)});
  EXPECT_EQ(Issue(*client, request), "x509 jwt");
  EXPECT_EQ(Issue(*client, request), "x509 jwt") << "the same bytes again are another request";
}

TEST_F(WorkloadPortTest, AHostVerifiesItsTokensWithTheBundleThatItWasPushed) {
  const Host host = Enrolled();
  const auto entry = Put(EntryFor(host));
  const auto client = Client(IdentityOf(host));
  Stream stream(*client);
  const auto set = stream.Next();
  ASSERT_TRUE(set);
  std::vector<crypto::JwtKey> keys;
  for (const auto& key : set->bundle().jwt_keys())
    keys.push_back(
        {.id = key.id(), .key = Must(crypto::PublicKey::FromSpkiDer(AsBytes(key.public_key())))});
  node::IssueResponse response;
  ASSERT_TRUE(Call(*client, &PortStub::Issue, RequestOf({JwtItem(entry)}), response).ok());
  const std::string& token = response.outcomes(0).jwt().token();
  const auto checked = agent::CheckJwtSvid(token, "db", kTrustDomain, keys, rig_->now);
  ASSERT_TRUE(checked) << checked.error().text;
  EXPECT_EQ(checked->id.ToString(), "spiffe://example.org/web");
  EXPECT_EQ(agent::CheckJwtSvid(token, "other", kTrustDomain, keys, rig_->now).error().Name(),
            "jwt-audience");
  keys = {keys.back()};
  EXPECT_EQ(agent::CheckJwtSvid(token, "db", kTrustDomain, keys, rig_->now).error().Name(),
            "jwt-key-unknown")
      << "the next key signs nothing yet";
}

TEST_F(WorkloadPortTest, AFullRequestIsTaken) {
  const Host host = Enrolled();
  auto item = JwtItem(Put(EntryFor(host)));
  while (static_cast<size_t>(item.selectors_size()) < issuer::kMaxItemSelectors)
    *item.add_selectors() = item.selectors(0);
  while (static_cast<size_t>(item.jwt().audiences_size()) < attest::kMaxAudiences)
    item.mutable_jwt()->add_audiences("db");
  const auto answer =
      Issue(*Client(IdentityOf(host)), RequestOf(std::vector(issuer::kMaxIssueItems, item)));
  EXPECT_TRUE(answer.starts_with("jwt jwt")) << answer;
}

// --- Attacks ---

TEST_F(WorkloadPortTest, AWorkloadsCertificateOpensNothing) {
  Host host = Enrolled();
  const auto entry = Put(EntryFor(host));
  node::IssueResponse response;
  const auto request = RequestOf({X509Item(entry)});
  ASSERT_TRUE(Call(*Client(IdentityOf(host)), &PortStub::Issue, request, response).ok());
  const auto leaf = ChainOf(response.outcomes(0)).front();
  const auto client = Client(IdentityOf(leaf, WorkloadKey()));
  EXPECT_EQ(Issue(*client, request), "peer-certificate");
  EXPECT_EQ(WatchRefusal(*client), "peer-certificate");
  EXPECT_EQ(AttestThrough(*client, host), "peer-certificate");
}

TEST_F(WorkloadPortTest, AStrangerGetsNothing) {
  const Host host = Enrolled();
  const auto entry = Put(EntryFor(host));
  EXPECT_EQ(Issue(*Client(), RequestOf({X509Item(entry)})), "peer-certificate");
  EXPECT_EQ(WatchRefusal(*Client()), "peer-certificate");
}

TEST_F(WorkloadPortTest, ANodeGetsNothingOfAnotherNodesEntry) {
  const Host host = Enrolled(), other = Enrolled();
  const auto entry = Put(EntryFor(other));
  EXPECT_EQ(Issue(*Client(IdentityOf(host)), RequestOf({X509Item(entry)})), "entry-not-for-node");
  EXPECT_EQ(Issue(*Client(IdentityOf(other)), RequestOf({X509Item(entry)})), "x509");
}

TEST_F(WorkloadPortTest, AnExpiredOrRemovedNodeGetsNothing) {
  const Host expired = Enrolled();
  const auto entry = Put(EntryFor(expired));
  rig_->Pass(rig_->config.node_ttl);
  const Host removed = Enrolled();
  const auto late = Client(IdentityOf(expired)), gone = Client(IdentityOf(removed));
  EXPECT_EQ(Issue(*late, RequestOf({X509Item(entry)})), "peer-expired");
  EXPECT_EQ(WatchRefusal(*late), "peer-expired");
  Must(rig_->inventory->Remove(removed.id(), "test"));
  EXPECT_EQ(Issue(*gone, RequestOf({X509Item(entry)})), "node-removed");
  EXPECT_EQ(WatchRefusal(*gone), "node-removed");
}

TEST_F(WorkloadPortTest, ARequestBeyondItsBoundsIsNotRead) {
  const Host host = Enrolled();
  const auto entry = Put(EntryFor(host));
  const auto client = Client(IdentityOf(host));
  node::IssueRequest fields;
  for (int i = 0; i < 400'000; ++i) fields.add_items();
  EXPECT_EQ(Issue(*client, fields), "request-too-many-fields");
  auto large = X509Item(entry);
  large.mutable_x509()->set_public_key(std::string(size_t{2} << 20, 'x'));
  EXPECT_EQ(Issue(*client, RequestOf({large})), "request-too-large");
  EXPECT_EQ(Issue(*client, RequestOf(std::vector(65, X509Item(entry)))), "issue-malformed");
  EXPECT_EQ(Issue(*client, RequestOf({X509Item(entry)})), "x509") << "the twin";
}

}  // namespace
}  // namespace lodekey::test
