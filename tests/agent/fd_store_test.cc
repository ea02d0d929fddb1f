#include "agent/fd_store.h"

#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

#include "attest/codec.h"
#include "lodekey/agent/v1/agent_state.pb.h"
#include "platform/sealed_memory.h"
#include "tests/agent/svid_rig.h"
#include "tests/support/must.h"
#include "tests/support/service_manager.h"
#include "tests/support/swtpm.h"

namespace lodekey::agent {
namespace {

using std::chrono::minutes;
using test::FakeIssuer;
using test::HeldBy;
using test::Must;

const WorkloadOwner kOwner{
    .trust_domain = "example.org", .node_id = std::string(64, 'a'), .node_key_name = "a name"};

// A run of the agent: what is in memory, and gone with it.
struct AgentRun {
  explicit AgentRun(SvidBook::Clock clock) : book(clock), store(book, clock.uptime) {}
  SvidBook book;
  FdStore store;
};

class FdStoreTest : public test::SvidRig {
 protected:
  FdStoreTest() {
    ::setenv("NOTIFY_SOCKET", manager_.path().c_str(), 1);
    Must(Restart());
  }
  ~FdStoreTest() override { ::unsetenv("NOTIFY_SOCKET"); }

  // Another run, to which the service manager passes what it has.
  Result<size_t> Restart(const std::optional<WorkloadOwner>& owner = kOwner) {
    return RestartWith(owner, manager_.Stored(kStoredWorkloads));
  }
  Result<size_t> RestartWith(const std::optional<WorkloadOwner>& owner,
                             const std::vector<platform::UniqueFd>& stored) {
    run_ = std::make_unique<AgentRun>(SvidBook::Clock{.now = [this] { return now_; },
                                                      .uptime = [this] { return uptime_; },
                                                      .random = [] { return uint32_t{0}; }});
    return run_->store.Restore(owner, stored);
  }
  // The issuer's entries, and SVIDs for all of them.
  void Fill(const std::vector<attest::Entry>& entries) {
    run_->book.SetEntries(Must(ReadEntrySet(issuer_.Message(entries), "example.org")));
    for (const auto& wanted : run_->book.TakeWanted(64)) run_->book.Put(wanted, Issue(wanted));
  }
  X509Svid Issue(const SvidBook::Wanted& wanted) {
    const auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
    lodekey::node::v1::IssueRequest request;
    request.add_items()->set_entry_id(wanted.entry->id);
    request.mutable_items(0)->mutable_x509()->set_public_key(
        attest::ToField(key.public_key().spki_der()));
    const auto response = Must(issuer_.Issue(request));
    return Must(ReadX509Svid(response.outcomes(0).x509(), wanted.entry->spiffe_id, key));
  }
  void Settle() {
    run_->store.Proceed();
    Pass(FdStore::kDebounce);
    run_->store.Proceed();
  }
  // What a process of this user is told at this moment.
  Result<Identities> Ask(int uid) {
    Result<Identities> told = Fail(Code::kUnavailable, "nothing yet");
    const auto watcher =
        run_->book.Watch(HeldBy(uid), SvidBook::Need::kX509Svids,
                         [&](const Result<Identities>& identities) { told = identities; });
    return told;
  }
  Bytes Stored() {
    const auto stored = manager_.Stored(kStoredWorkloads);
    return Must(platform::ReadSealedMemory(stored.at(0).get(), 1 << 20));
  }
  // The name of what a restart says that is passed this; "" when it is given out.
  std::string RestartWith(ByteView content) {
    const auto memory = Must(platform::SealedMemory::Create("test", content));
    std::vector<platform::UniqueFd> passed;
    passed.emplace_back(::dup(memory.fd()));
    const auto restored = RestartWith(kOwner, passed);
    EXPECT_EQ(restored.has_value(), run_->book.Keep().has_value());
    return restored ? "" : std::string(restored.error().Name());
  }

  test::TempDir directory_;
  test::ServiceManager manager_{directory_ / "notify"};
  std::unique_ptr<AgentRun> run_;
};

TEST_F(FdStoreTest, GivesBackWhatWasHeldWhenTheAgentStartsAgain) {
  run_->store.SetOwner(kOwner);
  Fill({Prefetched("a", 1), Prefetched("b", 2), FakeIssuer::EntryOf("c", 3)});
  const auto before = Must(Ask(1));
  Settle();
  EXPECT_EQ(Must(Restart()), 2U);
  const auto after = Must(Ask(1));
  ASSERT_EQ(after.svids.size(), 1U);
  EXPECT_EQ(*after.svids[0].entry, *before.svids[0].entry);
  EXPECT_EQ(after.svids[0].svid->chain, before.svids[0].svid->chain);
  EXPECT_TRUE(after.svids[0].svid->key.Matches(before.svids[0].svid->key.Reveal()));
  EXPECT_EQ(after.bundle->roots, before.bundle->roots);
  EXPECT_EQ(after.bundle->sequence, before.bundle->sequence);
  EXPECT_EQ(Ask(4).error().Name(), "no-identity");
  EXPECT_TRUE(run_->book.TakeWanted(64).empty()) << "nothing has lived half its life";
  Pass(minutes(31));
  EXPECT_EQ(run_->book.TakeWanted(64).size(), 2U);
}

TEST_F(FdStoreTest, GivesItBackAfterTheNextRestartToo) {
  run_->store.SetOwner(kOwner);
  Fill({Prefetched("a", 1)});
  run_->store.Flush();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Must(Restart()), 1U);
    run_->store.Flush();
    EXPECT_EQ(manager_.Stored(kStoredWorkloads).size(), 1U);
  }
}

TEST_F(FdStoreTest, KeepsManyChangesAtOnceAndNothingTwice) {
  run_->store.SetOwner(kOwner);
  for (int i = 0; i < 10; ++i) {
    Fill({Prefetched("a", 1), Prefetched("b" + std::to_string(i), 2)});
    EXPECT_LE(run_->store.Proceed(), FdStore::kDebounce);
  }
  manager_.Listen();
  EXPECT_EQ(manager_.stores(), 0U);
  Settle();
  EXPECT_EQ(manager_.Stored(kStoredWorkloads).size(), 1U);
  run_->book.SetEntries(Must(
      ReadEntrySet(issuer_.Message({Prefetched("a", 1), Prefetched("b9", 2)}), "example.org")));
  Settle();
  EXPECT_EQ(manager_.stores(), 1U) << "nothing is different";
}

TEST_F(FdStoreTest, WipesWhatItReplacesAndWhatIsWithdrawn) {
  run_->store.SetOwner(kOwner);
  Fill({Prefetched("a", 1)});
  Settle();
  const auto first = manager_.Stored(kStoredWorkloads);
  Fill({Prefetched("a", 1), Prefetched("b", 2)});
  Settle();
  const auto second = manager_.Stored(kStoredWorkloads);
  run_->book.Withdraw({.code = Code::kDenied, .text = "refused", .name = "node-refused"});
  run_->store.Empty();
  EXPECT_TRUE(manager_.Stored(kStoredWorkloads).empty());
  for (const auto* stored : {&first, &second}) {
    const Bytes content = Must(platform::ReadSealedMemory(stored->at(0).get(), 1 << 20));
    EXPECT_EQ(content, Bytes(content.size(), 0));
  }
  Settle();
  EXPECT_TRUE(manager_.Stored(kStoredWorkloads).empty());
}

TEST_F(FdStoreTest, KeepsNothingBeforeItKnowsWhoseItIs) {
  Fill({Prefetched("a", 1)});
  Settle();
  run_->store.Flush();
  manager_.Listen();
  EXPECT_EQ(manager_.stores(), 0U);
}

TEST_F(FdStoreTest, GivesNothingToAnotherOwner) {
  const std::vector<std::optional<WorkloadOwner>> others{
      WorkloadOwner{.trust_domain = "other.org",
                    .node_id = kOwner.node_id,
                    .node_key_name = kOwner.node_key_name},
      WorkloadOwner{.trust_domain = kOwner.trust_domain,
                    .node_id = std::string(64, 'b'),
                    .node_key_name = kOwner.node_key_name},
      WorkloadOwner{.trust_domain = kOwner.trust_domain,
                    .node_id = kOwner.node_id,
                    .node_key_name = "another boot's"},
      std::nullopt};
  for (const auto& other : others) {
    Must(Restart());
    run_->store.SetOwner(kOwner);
    Fill({Prefetched("a", 1)});
    Settle();
    EXPECT_EQ(Restart(other).error().Name(), "workload-state-other");
    EXPECT_FALSE(run_->book.Keep());
    EXPECT_TRUE(manager_.Stored(kStoredWorkloads).empty()) << "it is not kept either";
  }
}

TEST_F(FdStoreTest, BelievesNothingThatIsNotWhole) {
  run_->store.SetOwner(kOwner);
  Fill({Prefetched("a", 1), Prefetched("b", 2)});
  Settle();
  using State = lodekey::agent::v1::WorkloadState;
  const Bytes whole = Stored();
  const auto after = [&](const std::function<void(State&)>& change) {
    State state;
    state.ParseFromArray(whole.data(), static_cast<int>(whole.size()));
    change(state);
    return RestartWith(AsBytes(state.SerializeAsString()));
  };
  EXPECT_EQ(after([](State&) {}), "");
  EXPECT_EQ(after([](State& state) { state.set_version(2); }), "workload-state-other");
  EXPECT_EQ(after([](State& state) { state.clear_entries(); }), "bundle-invalid");
  EXPECT_EQ(after([](State& state) { state.mutable_svids(0)->set_entry_id("c"); }),
            "workload-state-invalid");
  EXPECT_EQ(after([](State& state) { state.mutable_svids(0)->set_key(state.svids(1).key()); }),
            "svid-invalid");
  EXPECT_EQ(after([](State& state) {
              *state.mutable_svids(0)->mutable_certificates() = state.svids(1).certificates();
            }),
            "svid-invalid");
  EXPECT_EQ(after([](State& state) { state.mutable_svids(0)->set_key("no key"); }),
            "invalid-argument");
}

TEST_F(FdStoreTest, BelievesNoMemoryThatIsNotItsOwn) {
  EXPECT_EQ(RestartWith(AsBytes("\xff\xff\xff")), "workload-state-invalid");
  EXPECT_EQ(RestartWith(AsBytes(" ")), "workload-state-invalid");
  std::vector<platform::UniqueFd> unsealed;
  unsealed.emplace_back(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(RestartWith(kOwner, unsealed).error().Name(), "memory-not-sealed");
  EXPECT_EQ(Must(RestartWith(kOwner, {})), 0U) << "nothing was kept";
}

TEST_F(FdStoreTest, DoesNotGiveOutWhatHasEndedMeanwhile) {
  run_->store.SetOwner(kOwner);
  Fill({Prefetched("a", 1)});
  Settle();
  Pass(minutes(61));
  Must(Restart());
  EXPECT_FALSE(Ask(1));
  EXPECT_EQ(run_->book.TakeWanted(64).size(), 1U);
}

TEST_F(FdStoreTest, KeepsNothingWithoutAServiceManager) {
  ::unsetenv("NOTIFY_SOCKET");
  Must(Restart());
  run_->store.SetOwner(kOwner);
  Fill({Prefetched("a", 1)});
  EXPECT_GT(run_->store.Proceed(), minutes(0));
  Settle();
  run_->store.Flush();
  manager_.Listen();
  EXPECT_EQ(manager_.stores(), 0U);
}

}  // namespace
}  // namespace lodekey::agent
