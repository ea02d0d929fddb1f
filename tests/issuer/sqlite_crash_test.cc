// Ends the process at every step of a batch, and at random moments, and looks at what is left.
#include <csignal>
#include <functional>
#include <random>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "issuer/sqlite_database.h"
#include "issuer/sqlite_store.h"
#include "tests/issuer/store_fixture.h"
#include "tests/support/must.h"

namespace lodekey::issuer {
namespace {

using test::Must;
using test::SampleCredential;

constexpr int kCrashed = 42;

// What issuance is: a credential, its audit record, and the decision that it rests on.
Change Issue(unsigned number) {
  return [number](Transaction& transaction) -> Result<void> {
    RETURN_IF_ERROR(transaction.PutDecision(test::SampleDecision(number)), "decide");
    return test::Issue(SampleCredential(number))(transaction);
  };
}

// Each credential has its decision, and its bytes are counted as they are.
void ExpectDecisionsMatch(const test::StoreFiles& files) {
  Database database = Must(Database::Open(files.database));
  const auto number = [&](std::string_view sql) {
    Query query = Must(database.Prepare(sql));
    EXPECT_TRUE(Must(query.Step()));
    return Must(query.Unsigned(0));
  };
  const uint64_t decisions = number("SELECT count(*) FROM decision");
  EXPECT_EQ(decisions, number("SELECT count(*) FROM credential"));
  EXPECT_EQ(decisions, number("SELECT count(*) FROM decision JOIN decision_input USING (seq)"));
  EXPECT_EQ(number("SELECT bytes FROM decision_total"),
            number("SELECT ifnull(sum(512 + length(outcome) + length(input)), 0) "
                   "FROM decision JOIN decision_input USING (seq)"));
  EXPECT_EQ(number("SELECT bytes FROM decision_total"),
            number("SELECT ifnull(sum(spare + kept_bytes), 0) FROM decision_share"));
}

void ExpectRecovered(const test::StoreFiles& files, const std::vector<Bytes>& acknowledged) {
  // Opened once, so that it is recovered: what follows adds a credential.
  Must(test::OpenStore(files));
  ExpectDecisionsMatch(files);
  test::ExpectConsistent(files, acknowledged);
}

// A child that issues credentials without end and writes the number of each that was acknowledged
// into a pipe.
class Issuer {
 public:
  // `at_step` runs in the child.
  Issuer(const test::StoreFiles& files, unsigned first,
         std::function<void(std::string_view)> at_step) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("no pipe");
    pid_ = fork();
    if (pid_ < 0) throw std::runtime_error("no child");
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      close(ends[0]);
      RunChild(files, first, std::move(at_step), ends[1]);
    }
    close(ends[1]);
    acknowledgements_ = ends[0];
  }
  ~Issuer() {
    if (pid_ > 0) Kill();
    close(acknowledgements_);
  }
  Issuer(const Issuer&) = delete;
  Issuer& operator=(const Issuer&) = delete;

  // Waits for so many acknowledgements; false when the child ended before.
  bool Await(unsigned count) {
    while (acknowledged_.size() < count) {
      if (!ReadOne()) return false;
    }
    return true;
  }

  // Sends SIGKILL and waits for the end.
  void Kill() {
    kill(pid_, SIGKILL);
    Wait();
  }

  // Waits for the child's end; its exit code, or -1 when a signal ended it.
  int Wait() {
    while (ReadOne()) {
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  const std::vector<Bytes>& acknowledged() const { return acknowledged_; }

 private:
  [[noreturn]] static void RunChild(const test::StoreFiles& files, unsigned number,
                                    std::function<void(std::string_view)> at_step, int pipe) {
    auto opened = test::OpenStore(files, {.at_step = std::move(at_step)});
    if (!opened) _exit(1);
    Store& store = **opened;
    const auto made = store.CommitAndWait([](Transaction& transaction) -> Result<void> {
      const auto known = Must(transaction.FindNode(test::SampleNodeId(1)));
      return known ? Result<void>() : transaction.PutNode(test::SampleNode(1));
    });
    if (!made) _exit(2);
    // Several at a time, so that batches have more than one change.
    for (;; number += 5) {
      for (unsigned i = 0; i < 4; ++i) {
        store.Commit(Issue(number + i), Acknowledge(pipe, number + i));
      }
      if (!store.CommitAndWait(Issue(number + 4))) _exit(3);
    }
  }

  static Done Acknowledge(int pipe, unsigned number) {
    return [pipe, number](const Result<crypto::ChainHead>& head) {
      if (!head || write(pipe, &number, sizeof(number)) != sizeof(number)) _exit(4);
    };
  }

  bool ReadOne() {
    unsigned number = 0;
    if (read(acknowledgements_, &number, sizeof(number)) != sizeof(number)) return false;
    acknowledged_.push_back(SampleCredential(number).serial);
    return true;
  }

  pid_t pid_ = -1;
  int acknowledgements_ = -1;
  std::vector<Bytes> acknowledged_;
};

class SqliteCrashTest : public ::testing::TestWithParam<std::string> {
 protected:
  test::ScratchDirectory directory_;
  test::StoreFiles files_{directory_.path()};
};

// Ends the process when `wanted` is reached for the `countdown`th time.
std::function<void(std::string_view)> ExitAt(std::string wanted, int countdown) {
  return [wanted = std::move(wanted), countdown](std::string_view step) mutable {
    if (step == wanted && --countdown == 0) _exit(kCrashed);
  };
}

TEST_P(SqliteCrashTest, LeavesAStoryThatAgrees) {
  std::vector<Bytes> acknowledged;
  // Each round begins with what the last one left.
  for (int countdown = 1; countdown <= 4; ++countdown) {
    Issuer issuer(files_, static_cast<unsigned>(countdown) * 1000, ExitAt(GetParam(), countdown));
    ASSERT_EQ(issuer.Wait(), kCrashed);
    for (const Bytes& serial : issuer.acknowledged()) acknowledged.push_back(serial);
  }
  ExpectRecovered(files_, acknowledged);
}

TEST_P(SqliteCrashTest, LeavesAStoryThatAgreesWhenTheLastLineIsTornBesides) {
  {
    Issuer issuer(files_, 1000, ExitAt(GetParam(), 4));
    ASSERT_EQ(issuer.Wait(), kCrashed);
  }
  const std::string text = test::ReadText(files_.log);
  ASSERT_GT(text.size(), 20U);
  test::Overwrite(files_.log, text.substr(0, text.size() - 20));
  if (GetParam() != "committed") {
    ExpectRecovered(files_, {});
    return;
  }
  // Here the last line in the log is of an earlier batch than the last one in the database, which
  // knows it to have been durable: no crash tears that.
  const auto store = test::OpenStore(files_);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().Name(), "audit-truncated");
}

INSTANTIATE_TEST_SUITE_P(Steps, SqliteCrashTest,
                         ::testing::Values("batch-begun", "changes-run", "committed",
                                           "audit-appended", "done-called"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST(SqliteKillTest, LeavesAStoryThatAgreesWheneverItIsKilled) {
  const test::ScratchDirectory directory;
  const test::StoreFiles files(directory.path());
  std::mt19937 random(std::random_device{}());
  std::vector<Bytes> acknowledged;
  for (unsigned round = 1; round <= 20; ++round) {
    Issuer issuer(files, round * 100'000, {});
    ASSERT_TRUE(issuer.Await(std::uniform_int_distribution(1U, 40U)(random)));
    issuer.Kill();
    for (const Bytes& serial : issuer.acknowledged()) acknowledged.push_back(serial);
  }
  ASSERT_GE(acknowledged.size(), 20U);
  ExpectRecovered(files, acknowledged);
}

}  // namespace
}  // namespace lodekey::issuer
