// What the contract suite cannot say of every store: recovery, failures of the disk, what a hand in
// the files leads to.
#include "issuer/sqlite_store.h"

#include <atomic>
#include <csignal>
#include <filesystem>
#include <future>
#include <stdexcept>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "tests/issuer/store_fixture.h"
#include "tests/support/must.h"

namespace lodekey::issuer {
namespace {

using test::Issue;
using test::Must;
using test::SampleCredential;
using test::SampleNode;
using test::SampleNodeId;
using test::VerifiedLines;

Result<void> PutNodeOne(Transaction& transaction) { return transaction.PutNode(SampleNode(1)); }

CredentialState StateOf(Store& store, unsigned number) {
  CredentialState state = CredentialState::kPending;
  Must(store.Read([&](View& view) -> Result<void> {
    state = Must(view.FindCredential(SampleCredential(number).serial)).value().state;
    return {};
  }));
  return state;
}

class SqliteStoreTest : public ::testing::Test {
 protected:
  // A store with node 1 and credentials 1 to `count`, opened and closed again.
  void MakeStore(unsigned count) {
    const auto store = Must(test::OpenStore(files_));
    Must(store->CommitAndWait(PutNodeOne));
    for (unsigned i = 1; i <= count; ++i) Must(store->CommitAndWait(Issue(SampleCredential(i))));
  }

  // The same, but the process ends without closing it; what it left is taken over.
  void MakeCrashedStore(unsigned count) {
    const test::ScratchDirectory elsewhere;
    const test::StoreFiles running(elsewhere.path());
    const auto store = Must(test::OpenStore(running));
    Must(store->CommitAndWait(PutNodeOne));
    for (unsigned i = 1; i <= count; ++i) Must(store->CommitAndWait(Issue(SampleCredential(i))));
    std::filesystem::copy_file(running.database, files_.database);
    std::filesystem::copy_file(running.database + "-wal", files_.database + "-wal");
    std::filesystem::copy_file(running.log, files_.log);
  }

  // Leaves the first `count` lines of the log.
  void KeepLines(size_t count) {
    std::string text = test::ReadText(files_.log);
    size_t end = 0;
    for (size_t i = 0; i < count; ++i) end = text.find('\n', end) + 1;
    test::Overwrite(files_.log, text.substr(0, end));
  }

  void Edit(const std::string& sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(files_.database.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
  }

  void ExpectRefused(std::string_view name) {
    const auto store = test::OpenStore(files_);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().Name(), name) << store.error().text;
    EXPECT_EQ(store.error().code, Code::kUntrusted);
    EXPECT_FALSE(store.error().advice.empty());
  }

  test::ScratchDirectory directory_;
  test::StoreFiles files_{directory_.path()};
};

TEST_F(SqliteStoreTest, RemembersWhatAnEarlierProcessStored) {
  MakeStore(2);
  const auto store = Must(test::OpenStore(files_));
  EXPECT_EQ(StateOf(*store, 2), CredentialState::kIssued);
  EXPECT_EQ(VerifiedLines(files_.log).size(), 2U);
}

TEST_F(SqliteStoreTest, IsNotOpenedTwice) {
  const auto store = Must(test::OpenStore(files_));
  const auto second = test::OpenStore(files_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().Name(), "audit-in-use");
}

TEST_F(SqliteStoreTest, RunsWhatWaitsBeforeItIsClosed) {
  std::atomic<int> done = 0;
  {
    const auto store = Must(test::OpenStore(files_));
    Must(store->CommitAndWait(PutNodeOne));
    for (unsigned i = 1; i <= 100; ++i) {
      store->Commit(Issue(SampleCredential(i)), [&](const Result<crypto::ChainHead>& head) {
        EXPECT_TRUE(head);
        ++done;
      });
    }
  }
  EXPECT_EQ(done, 100);
  test::ExpectConsistent(files_, {SampleCredential(100).serial});
}

TEST_F(SqliteStoreTest, CompletesALogThatLacksTheLastBatchAndVoidsItsCredential) {
  MakeCrashedStore(3);
  KeepLines(2);
  {
    const auto store = Must(test::OpenStore(files_));
    EXPECT_EQ(StateOf(*store, 2), CredentialState::kIssued);
    EXPECT_EQ(StateOf(*store, 3), CredentialState::kVoid);
    const auto lines = VerifiedLines(files_.log);
    ASSERT_EQ(lines.size(), 4U);
    EXPECT_NE(lines[3].record.find("credential.void"), std::string::npos);
  }
  test::ExpectConsistent(files_, {SampleCredential(1).serial, SampleCredential(2).serial});
  EXPECT_EQ(VerifiedLines(files_.log).size(), 5U) << "voided once, not again at each start";
}

TEST_F(SqliteStoreTest, ForgetsAVoidCredentialWhenItsTimeIsOver) {
  MakeCrashedStore(2);
  KeepLines(1);
  const auto store = Must(test::OpenStore(files_));
  const auto expire = [&](Time now) {
    size_t forgotten = 0;
    Must(store->CommitAndWait([&](Transaction& transaction) -> Result<void> {
      forgotten = Must(transaction.Expire(now, {}));
      return {};
    }));
    return forgotten;
  };
  EXPECT_EQ(expire(SampleCredential(2).not_after), 0U);
  EXPECT_EQ(expire(SampleCredential(2).not_after + Duration(1)), 1U) << "and not the issued one";
  EXPECT_EQ(StateOf(*store, 1), CredentialState::kIssued);
}

// As a lack of memory could, in the middle of a batch.
TEST_F(SqliteStoreTest, AnswersABatchInWhichSomethingThrew) {
  for (const std::string step : {"batch-begun", "changes-run", "committed", "audit-appended"}) {
    const test::ScratchDirectory directory;
    const test::StoreFiles files(directory.path());
    std::atomic<bool> armed = false;
    const auto store = Must(test::OpenStore(files, {.at_step = [&](std::string_view at) {
                                              if (at == step && armed.exchange(false))
                                                throw std::runtime_error("boom");
                                            }}));
    Must(store->CommitAndWait(PutNodeOne));
    armed = true;
    const auto refused = store->CommitAndWait(Issue(SampleCredential(1)));
    ASSERT_FALSE(refused) << step;
    EXPECT_NE(refused.error().text.find("boom"), std::string::npos) << refused.error().text;
    Must(store->CommitAndWait(Issue(SampleCredential(2))));
    EXPECT_EQ(StateOf(*store, 2), CredentialState::kIssued);
    // Stored without its line: voided, which is a line of its own.
    const size_t lines = step == "committed" ? 3 : step == "audit-appended" ? 2 : 1;
    EXPECT_EQ(VerifiedLines(files.log).size(), lines) << step;
  }
}

TEST_F(SqliteStoreTest, BelievesALineThatIsInTheLogThoughItsBatchWasTheLast) {
  MakeCrashedStore(3);
  const auto store = Must(test::OpenStore(files_));
  EXPECT_EQ(StateOf(*store, 3), CredentialState::kIssued);
  EXPECT_EQ(VerifiedLines(files_.log).size(), 3U);
}

TEST_F(SqliteStoreTest, RefusesALogThatWasShortenedAfterACrash) {
  MakeCrashedStore(3);
  KeepLines(1);
  ExpectRefused("audit-truncated");
}

TEST_F(SqliteStoreTest, RefusesALogThatWasShortenedByOneLineWhileItWasClosed) {
  MakeStore(3);
  KeepLines(2);
  ExpectRefused("audit-truncated");
  std::filesystem::remove(files_.log);
  ExpectRefused("audit-truncated");
}

TEST_F(SqliteStoreTest, RefusesADatabaseThatIsOlderThanItsLog) {
  MakeStore(1);
  std::filesystem::copy_file(files_.database, files_.database + ".backup");
  {
    const auto store = Must(test::OpenStore(files_));
    Must(store->CommitAndWait(Issue(SampleCredential(2))));
  }
  std::filesystem::remove(files_.database + "-wal");
  std::filesystem::rename(files_.database + ".backup", files_.database);
  ExpectRefused("audit-forked");
}

TEST_F(SqliteStoreTest, RefusesALogOfAnotherStoryThatIsAsLong) {
  MakeStore(2);
  test::Overwrite(files_.log, "");
  {
    crypto::ChainHead head;
    const auto key = test::AuditKey();
    std::string lines = crypto::FormatChainLine(head, R"({"event":"other"})", key, head);
    lines += crypto::FormatChainLine(head, R"({"event":"other"})", key, head);
    test::Overwrite(files_.log, lines);
  }
  ExpectRefused("audit-forked");
}

TEST_F(SqliteStoreTest, RefusesALogWhoseLastBatchIsAnotherStory) {
  MakeCrashedStore(3);
  const auto lines = VerifiedLines(files_.log);
  KeepLines(2);
  crypto::ChainHead head = lines[1].head;
  const std::string forged =
      crypto::FormatChainLine(head, R"({"event":"other"})", test::AuditKey(), head);
  test::Overwrite(files_.log, test::ReadText(files_.log) + forged);
  ExpectRefused("audit-forked");
}

TEST_F(SqliteStoreTest, RefusesAFreshDatabaseBesideAnOldLog) {
  MakeStore(1);
  std::filesystem::remove(files_.database);
  ExpectRefused("audit-forked");
}

TEST_F(SqliteStoreTest, RefusesAKeptLineThatWasChanged) {
  MakeCrashedStore(2);
  KeepLines(1);
  Edit("UPDATE audit_outbox SET line = replace(line, 'issued', 'denied')");
  ExpectRefused("database-corrupt");
}

TEST_F(SqliteStoreTest, RefusesAKeptLineThatIsMissing) {
  MakeCrashedStore(2);
  KeepLines(1);
  Edit("DELETE FROM audit_outbox");
  ExpectRefused("database-corrupt");
}

TEST_F(SqliteStoreTest, RefusesMarksThatWereRemovedOrCut) {
  MakeStore(1);
  Edit("UPDATE audit_mark SET hash = x'00' WHERE name = 'head'");
  ExpectRefused("database-corrupt");
  Edit("DELETE FROM audit_mark");
  ExpectRefused("database-corrupt");
}

TEST_F(SqliteStoreTest, RefusesToReadANodeThatAnotherHandSpoiled) {
  MakeStore(0);
  Edit("UPDATE node SET state = zeroblob(3000000)");
  const auto store = Must(test::OpenStore(files_));
  const auto read = store->Read([](View& view) -> Result<void> {
    RETURN_IF_ERROR(view.FindNode(SampleNodeId(1)), "find");
    return {};
  });
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().Name(), "database-corrupt");
}

// Ends the log's growth in the middle of the append of one batch, as a full disk would.
class AppendFailure {
 public:
  AppendFailure() {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
  }
  ~AppendFailure() { Lift(); }
  AppendFailure(const AppendFailure&) = delete;
  AppendFailure& operator=(const AppendFailure&) = delete;
  void Arm() { armed_ = true; }
  void Lift() { setrlimit(RLIMIT_FSIZE, &before_); }
  std::function<void(std::string_view)> Hook(const std::string& log) {
    return [this, log](std::string_view step) {
      if (step != "committed" || !armed_.exchange(false)) return;
      const rlimit limit = {.rlim_cur = std::filesystem::file_size(log) + 10,
                            .rlim_max = before_.rlim_max};
      setrlimit(RLIMIT_FSIZE, &limit);
    };
  }

 private:
  std::atomic<bool> armed_ = false;
  rlimit before_ = {};
};

TEST_F(SqliteStoreTest, FailsClosedUntilTheLogCanBeWrittenAgain) {
  AppendFailure failure;
  const auto store = Must(test::OpenStore(files_, {.at_step = failure.Hook(files_.log)}));
  Must(store->CommitAndWait(PutNodeOne));
  Must(store->CommitAndWait(Issue(SampleCredential(1))));
  failure.Arm();
  for (unsigned i = 2; i <= 4; ++i) {
    const auto refused = store->CommitAndWait(Issue(SampleCredential(i)));
    ASSERT_FALSE(refused) << i;
    EXPECT_EQ(refused.error().Name(), "audit-unavailable") << refused.error().text;
    EXPECT_EQ(refused.error().code, Code::kUnavailable);
    EXPECT_EQ(VerifiedLines(files_.log).size(), 1U);
  }
  EXPECT_NE(StateOf(*store, 2), CredentialState::kIssued);
  failure.Lift();

  const auto head = Must(store->CommitAndWait(Issue(SampleCredential(5))));
  const auto lines = VerifiedLines(files_.log);
  EXPECT_EQ(lines.back().head, head);
  ASSERT_EQ(lines.size(), 4U) << "the kept line, its voiding, the new one";
  EXPECT_NE(lines[2].record.find("credential.void"), std::string::npos);
  EXPECT_EQ(StateOf(*store, 2), CredentialState::kVoid);
  EXPECT_EQ(StateOf(*store, 5), CredentialState::kIssued);
}

TEST_F(SqliteStoreTest, VoidsAfterARestartWhatCouldNotBeRecorded) {
  {
    AppendFailure failure;
    const auto store = Must(test::OpenStore(files_, {.at_step = failure.Hook(files_.log)}));
    Must(store->CommitAndWait(PutNodeOne));
    failure.Arm();
    ASSERT_FALSE(store->CommitAndWait(Issue(SampleCredential(1))));
    failure.Lift();
  }
  {
    const auto store = Must(test::OpenStore(files_));
    EXPECT_EQ(StateOf(*store, 1), CredentialState::kVoid);
  }
  test::ExpectConsistent(files_, {});
}

TEST_F(SqliteStoreTest, RefusesToGoOnWhenTheLogWasRemovedUnderneath) {
  const auto store = Must(test::OpenStore(files_));
  Must(store->CommitAndWait(PutNodeOne));
  std::filesystem::remove(files_.log);
  for (int i = 0; i < 2; ++i) {
    const auto refused = store->CommitAndWait(Issue(SampleCredential(1)));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().Name(), "audit-unavailable");
  }
}

TEST_F(SqliteStoreTest, CallsItsStepsInOrder) {
  std::vector<std::string> steps;
  {
    const auto store = Must(test::OpenStore(
        files_, {.at_step = [&](std::string_view step) { steps.emplace_back(step); }}));
    Must(store->CommitAndWait(PutNodeOne));
  }
  EXPECT_EQ(steps, (std::vector<std::string>{"batch-begun", "changes-run", "committed",
                                             "audit-appended", "done-called"}));
}

TEST_F(SqliteStoreTest, ReadsBesideAWriterWithoutWaiting) {
  std::promise<void> in_batch;
  std::promise<void> go_on;
  std::promise<Result<crypto::ChainHead>> committed;
  std::atomic<bool> held = false;
  const auto store = Must(test::OpenStore(files_, {.at_step = [&](std::string_view step) {
                                            if (step != "changes-run" || !held.exchange(false))
                                              return;
                                            in_batch.set_value();
                                            go_on.get_future().wait();
                                          }}));
  Must(store->CommitAndWait(PutNodeOne));
  held = true;
  store->Commit([](Transaction& transaction) { return transaction.PutNode(SampleNode(2)); },
                [&](Result<crypto::ChainHead> head) { committed.set_value(std::move(head)); });
  in_batch.get_future().wait();
  const auto count = [&] {
    size_t nodes = 0;
    Must(store->Read([&](View& view) -> Result<void> {
      nodes = Must(view.ListNodes("", 10)).size();
      return {};
    }));
    return nodes;
  };
  EXPECT_EQ(count(), 1U);
  go_on.set_value();
  Must(committed.get_future().get());
  EXPECT_EQ(count(), 2U);
}

TEST_F(SqliteStoreTest, NeverShowsAVoidedCredentialAsIssued) {
  AppendFailure failure;
  const auto store = Must(test::OpenStore(files_, {.at_step = failure.Hook(files_.log)}));
  Must(store->CommitAndWait(PutNodeOne));
  failure.Arm();
  ASSERT_FALSE(store->CommitAndWait(Issue(SampleCredential(1))));
  std::atomic<bool> seen_issued = false;
  {
    const std::jthread reader([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        if (StateOf(*store, 1) == CredentialState::kIssued) seen_issued = true;
      }
    });
    failure.Lift();
    Must(store->CommitAndWait(Issue(SampleCredential(2))));
  }
  EXPECT_FALSE(seen_issued);
  EXPECT_EQ(StateOf(*store, 1), CredentialState::kVoid);
}

}  // namespace
}  // namespace lodekey::issuer
