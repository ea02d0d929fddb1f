// A file system without space, for the database and for the log: small tmpfs mounts in a mount
// namespace of a child process. Needs root.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <future>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "crypto/digest.h"
#include "crypto/secret.h"
#include "issuer/sqlite_store.h"
#include "tests/issuer/store_fixture.h"
#include "tests/support/must.h"

namespace lodekey::issuer {
namespace {

using test::At;
using test::Issue;
using test::Must;
using test::SampleCredential;

constexpr int kNoNamespace = 77;

bool MountSmall(const std::string& directory, const std::string& size) {
  std::filesystem::create_directory(directory);
  return mount("none", directory.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
}

void MakeLarge(const std::string& directory) {
  ASSERT_EQ(mount("none", directory.c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0);
}

// Takes all space of a directory's file system.
void Fill(const std::string& directory) {
  FILE* const file = std::fopen((directory + "/ballast").c_str(), "wb");
  ASSERT_NE(file, nullptr);
  std::setvbuf(file, nullptr, _IONBF, 0);
  const Bytes block(4096, 'x');
  while (std::fwrite(block.data(), 1, block.size(), file) == block.size()) {
  }
  std::fclose(file);
}

void MakeRoom(const std::string& directory) { std::filesystem::remove(directory + "/ballast"); }

class SqliteDiskFullTest : public ::testing::Test {
 protected:
  // Runs `body` in a child where the two directories are small file systems.
  void InSmallFileSystems(const std::function<void()>& body) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const bool ready = unshare(CLONE_NEWNS) == 0 &&
                         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                         MountSmall(database_directory_, "2m") && MountSmall(log_directory_, "64k");
      if (!ready) _exit(kNoNamespace);
      body();
      std::fflush(nullptr);
      _exit(HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    if (WEXITSTATUS(status) == kNoNamespace) {
      GTEST_SKIP() << "no private mount namespace: not root, or not allowed to mount";
    }
    EXPECT_EQ(WEXITSTATUS(status), 0) << "see the failures above";
  }

  test::ScratchDirectory directory_;
  std::string database_directory_ = directory_.path() + "/database";
  std::string log_directory_ = directory_.path() + "/log";
  test::StoreFiles files_{database_directory_, log_directory_};
};

// Stores 64 KiB that exist once.
Change PutRandomLog(Bytes& digest) {
  const Bytes content = crypto::RandomBytes(65536);
  digest = crypto::Digest(crypto::HashAlg::kSha256, content);
  return [digest, content](Transaction& transaction) {
    return transaction.PutLog(digest, content, At(0));
  };
}

void ExpectLogs(Store& store, const std::vector<Bytes>& digests) {
  Must(store.Read([&](View& view) -> Result<void> {
    for (const Bytes& digest : digests) {
      const auto content = Must(view.FindLog(digest));
      EXPECT_TRUE(content && crypto::Digest(crypto::HashAlg::kSha256, *content) == digest);
    }
    return {};
  }));
}

TEST_F(SqliteDiskFullTest, LosesNothingThatWasAcknowledged) {
  InSmallFileSystems([this] {
    std::vector<Bytes> stored;
    {
      const auto store = Must(test::OpenStore(files_));
      Must(store->CommitAndWait([](Transaction& transaction) -> Result<void> {
        return transaction.PutNode(test::SampleNode(1));
      }));
      Must(store->CommitAndWait(Issue(SampleCredential(1))));
      Bytes digest;
      auto outcome = store->CommitAndWait(PutRandomLog(digest));
      for (int i = 0; outcome && i < 100; ++i) {
        stored.push_back(digest);
        outcome = store->CommitAndWait(PutRandomLog(digest));
      }
      ASSERT_FALSE(outcome);
      EXPECT_GE(stored.size(), 3U);
      EXPECT_EQ(outcome.error().Name(), "store-unavailable") << outcome.error().text;
      EXPECT_EQ(outcome.error().code, Code::kUnavailable);
      EXPECT_FALSE(outcome.error().advice.empty());
      ExpectLogs(*store, stored);

      MakeLarge(database_directory_);
      Must(store->CommitAndWait(PutRandomLog(digest)));
      stored.push_back(digest);
      ExpectLogs(*store, stored);
    }
    test::ExpectConsistent(files_, {SampleCredential(1).serial});
    ExpectLogs(*Must(test::OpenStore(files_)), stored);
  });
}

// Far more than SQLite's cache holds, so that it writes, and fails, amid the changes: what comes
// after the one that failed must not be committed on its own.
TEST_F(SqliteDiskFullTest, StoresNothingOfABatchThatDidNotFit) {
  InSmallFileSystems([this] {
    const auto store = Must(test::OpenStore(files_));
    Must(store->CommitAndWait([](Transaction& transaction) -> Result<void> {
      return transaction.PutNode(test::SampleNode(1));
    }));
    std::promise<void> running;
    std::promise<void> go_on;
    store->Commit(
        [&](Transaction&) -> Result<void> {
          running.set_value();
          go_on.get_future().wait();
          return {};
        },
        [](const Result<crypto::ChainHead>&) {});
    running.get_future().wait();
    constexpr unsigned kChanges = 200;
    std::vector<Bytes> digests(kChanges);
    std::vector<std::string> outcomes(2 * kChanges);
    const auto note = [&outcomes](unsigned index) {
      return [&outcomes, index](const Result<crypto::ChainHead>& head) {
        outcomes[index] = head ? "stored" : head.error().Name();
      };
    };
    for (unsigned i = 0; i < kChanges; ++i) {
      store->Commit(PutRandomLog(digests[i]), note(2 * i));
      store->Commit(Issue(SampleCredential(i)), note(2 * i + 1));
    }
    go_on.set_value();
    static_cast<void>(store->CommitAndWait([](Transaction&) -> Result<void> { return {}; }));
    EXPECT_EQ(std::ranges::count(outcomes, "store-unavailable"), 2 * kChanges);

    MakeLarge(database_directory_);
    Must(store->Read([&](View& view) -> Result<void> {
      for (const Bytes& digest : digests) EXPECT_FALSE(Must(view.HasLog(digest)));
      EXPECT_TRUE(Must(view.ListCredentials(test::SampleNodeId(1), 10)).empty());
      return {};
    }));
    EXPECT_EQ(Must(store->CommitAndWait(Issue(SampleCredential(1000)))).seq, 1U);
  });
}

TEST_F(SqliteDiskFullTest, IssuesNothingThatTheLogHasNoSpaceFor) {
  InSmallFileSystems([this] {
    std::vector<Bytes> acknowledged;
    {
      const auto store = Must(test::OpenStore(files_));
      Must(store->CommitAndWait([](Transaction& transaction) -> Result<void> {
        return transaction.PutNode(test::SampleNode(1));
      }));
      Must(store->CommitAndWait(Issue(SampleCredential(1))));
      acknowledged.push_back(SampleCredential(1).serial);
      Fill(log_directory_);
      unsigned number = 2;
      auto outcome = store->CommitAndWait(Issue(SampleCredential(number)));
      for (; outcome && number < 100; ++number) {  // what was left of the last page
        acknowledged.push_back(SampleCredential(number).serial);
        outcome = store->CommitAndWait(Issue(SampleCredential(number + 1)));
      }
      ASSERT_FALSE(outcome);
      EXPECT_EQ(outcome.error().Name(), "audit-unavailable") << outcome.error().text;
      const auto nothing = store->CommitAndWait([](Transaction&) -> Result<void> { return {}; });
      ASSERT_FALSE(nothing) << "not even a change without a record";
      EXPECT_EQ(nothing.error().Name(), "audit-unavailable");

      MakeRoom(log_directory_);
      Must(store->CommitAndWait(Issue(SampleCredential(1000))));
      acknowledged.push_back(SampleCredential(1000).serial);
      Must(store->Read([&](View& view) -> Result<void> {
        const auto lost = Must(view.FindCredential(SampleCredential(number).serial));
        EXPECT_TRUE(lost && lost->state == CredentialState::kVoid);
        return {};
      }));
    }
    test::ExpectConsistent(files_, acknowledged);
  });
}

TEST_F(SqliteDiskFullTest, IsNotOpenedWithoutSpaceAndOpensWithIt) {
  InSmallFileSystems([this] {
    Fill(database_directory_);
    const auto store = test::OpenStore(files_);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().Name(), "store-unavailable") << store.error().text;
    MakeRoom(database_directory_);
    test::ExpectConsistent(files_, {});
  });
}

}  // namespace
}  // namespace lodekey::issuer
