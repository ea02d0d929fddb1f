#include "agent/state.h"

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "agent/key_file.h"
#include "agent/schedule.h"
#include "platform/file.h"
#include "tests/support/must.h"
#include "tests/support/swtpm.h"

namespace lodekey::agent {
namespace {

using test::Must;

class StateTest : public testing::Test {
 protected:
  State Open() { return Must(State::Open(directory_ / "state", directory_ / "run")); }
  mode_t ModeOf(const std::string& path) {
    struct stat info{};
    stat(path.c_str(), &info);
    return info.st_mode & 07777;
  }
  test::TempDir directory_;
};

TEST_F(StateTest, BeginsEmptyAndComesBackAsItWasSaved) {
  {
    State state = Open();
    EXPECT_FALSE(state.lasting().unenrolled());
    state.lasting().set_unenrolled(true);
    state.boot().set_node_id("abc");
    state.ledger().push_back(
        {.pcr = 13,
         .digests = attest::ClaimDigests(Bytes{1, 2}, {crypto::HashAlg::kSha256}),
         .claim = {.ak_name = {1, 2}}});
    Must(state.SaveLasting());
    Must(state.SaveBoot());
    Must(state.SaveLedger());
  }
  State again = Open();
  EXPECT_TRUE(again.lasting().unenrolled());
  EXPECT_EQ(again.boot().node_id(), "abc");
  ASSERT_EQ(again.ledger().size(), 1u);
  EXPECT_EQ(again.ledger().front().claim.ak_name, (Bytes{1, 2}));
}

TEST_F(StateTest, ItsDirectoryAndFilesAreForTheAgentAlone) {
  State state = Open();
  Must(state.SaveLasting());
  EXPECT_EQ(ModeOf(directory_ / "state"), 0700u);
  EXPECT_EQ(ModeOf(directory_ / "state/agent.state"), 0600u);
  Must(ReadOrMakeKeySecret(state.AkKeyPath()));
  EXPECT_EQ(ModeOf(state.AkKeyPath()), 0600u);
}

TEST_F(StateTest, ForgetsWhatItLearnedOfAnotherTrustDomain) {
  State state = Open();
  Must(state.BelongTo("example.org"));
  state.lasting().set_authority("authority");
  state.lasting().mutable_bundle()->set_sequence(7);
  state.lasting().set_time_floor_unix_ms(5);
  state.boot().set_node_key_name("key");
  state.boot().add_certificates("certificate");
  Must(state.BelongTo("example.org"));
  EXPECT_EQ(state.lasting().authority(), "authority");
  EXPECT_EQ(state.boot().certificates_size(), 1);
  Must(state.BelongTo("other.org"));
  EXPECT_EQ(state.lasting().authority(), "");
  EXPECT_FALSE(state.lasting().has_bundle());
  EXPECT_EQ(state.boot().certificates_size(), 0);
  EXPECT_EQ(state.lasting().time_floor_unix_ms(), 5) << "time is the same everywhere";
  EXPECT_EQ(state.boot().node_key_name(), "key") << "the boot is the same";
}

TEST_F(StateTest, ASecondAgentOnTheSameDirectoryIsRefused) {
  const State state = Open();
  EXPECT_EQ(State::Open(directory_ / "state", directory_ / "run").error().Name(),
            "already-running");
}

TEST_F(StateTest, EveryDamagedFileIsNamedAndNothingIsOverwritten) {
  {
    State state = Open();
  }
  for (const char* name : {"state/agent.state", "run/boot.state", "run/ledger.cel"}) {
    Must(platform::WriteFileAtomically(directory_ / name, AsBytes("\xff\xff\xff"), 0600));
    const auto opened = State::Open(directory_ / "state", directory_ / "run");
    ASSERT_FALSE(opened) << name;
    EXPECT_EQ(opened.error().Name(), "state-corrupt") << name;
    EXPECT_NE(opened.error().text.find(name), std::string::npos) << opened.error().text;
    Must(platform::RemoveFile(directory_ / name));
  }
}

TEST_F(StateTest, AFileOfALaterVersionIsRefused) {
  {
    State state = Open();
  }
  Must(platform::WriteFileAtomically(directory_ / "run/boot.state", AsBytes("\x08\x02"), 0600));
  EXPECT_EQ(State::Open(directory_ / "state", directory_ / "run").error().Name(), "state-newer");
}

TEST_F(StateTest, ForgettingTheBootKeepsWhatOutlivesIt) {
  State state = Open();
  state.lasting().set_ek_template("p256-l2");
  Must(state.SaveLasting());
  state.boot().set_node_id("abc");
  Must(state.SaveBoot());
  Must(ReadOrMakeKeySecret(state.NodeKeyPath()));
  Must(state.ForgetBoot());
  EXPECT_EQ(state.boot().node_id(), "");
  EXPECT_EQ(state.lasting().ek_template(), "p256-l2");
  EXPECT_FALSE(platform::ReadFile(state.NodeKeyPath(), 4096));
}

TEST_F(StateTest, AKeySecretIsMadeOnceAndReadAgain) {
  const std::string path = directory_ / "ak.key";
  const tpm::KeySecret made = Must(ReadOrMakeKeySecret(path));
  const tpm::KeySecret read = Must(ReadOrMakeKeySecret(path));
  EXPECT_TRUE(read.data.Matches(made.data.Reveal()));
  EXPECT_TRUE(read.auth.Matches(made.auth.Reveal()));
  EXPECT_FALSE(read.auth.Matches(made.data.Reveal()));
}

TEST_F(StateTest, ADamagedKeyFileIsNeverReplaced) {
  const std::string path = directory_ / "ak.key";
  Must(ReadOrMakeKeySecret(path));
  Bytes content = Must(platform::ReadFile(path, 4096));
  for (size_t i = 0; i < content.size(); ++i) {
    Bytes changed = content;
    changed[i] ^= 1;
    Must(platform::WriteFileAtomically(path, changed, 0600));
    const auto read = ReadOrMakeKeySecret(path);
    ASSERT_FALSE(read) << "byte " << i;
    EXPECT_EQ(read.error().Name(), "key-file-corrupt");
  }
  content.pop_back();
  Must(platform::WriteFileAtomically(path, content, 0600));
  EXPECT_FALSE(ReadOrMakeKeySecret(path));
}

TEST(Backoff, DoublesToItsMaximumWithinItsUpperHalf) {
  Backoff backoff(std::chrono::seconds(1), std::chrono::seconds(5));
  EXPECT_EQ(backoff.Next(0), Duration(500));
  EXPECT_EQ(backoff.Next(0xffffffff), Duration(1999));
  EXPECT_EQ(backoff.Next(0), Duration(2000));
  EXPECT_EQ(backoff.Next(0), Duration(2500)) << "the maximum is 5 s";
  EXPECT_EQ(backoff.Next(0), Duration(2500));
  backoff.Reset();
  EXPECT_EQ(backoff.Next(0), Duration(500));
}

TEST(Jittered, TakesAtMostATenthAway) {
  EXPECT_EQ(Jittered(std::chrono::seconds(10), 0), std::chrono::seconds(10));
  EXPECT_EQ(Jittered(std::chrono::seconds(10), 0xffffffff), Duration(9001));
}

}  // namespace
}  // namespace lodekey::agent
