// The claim over a real chip: what a crash at any point leaves behind is mended at the next start.
#include "agent/claim.h"

#include <filesystem>
#include <optional>

#include <gtest/gtest.h>
#include <tss2/tss2_tpm2_types.h>

#include "attest/ledger.h"
#include "platform/file.h"
#include "tests/agent/node_run.h"
#include "tests/contract/tpm_rig.h"

namespace lodekey::test {
namespace {

constexpr uint8_t kRegister = 13;
constexpr crypto::HashAlg kBank = crypto::HashAlg::kSha256;

class ClaimTest : public testing::Test {
 protected:
  // The agent's process ends and begins anew: what is not on disk is gone.
  void Restart() {
    state_.reset();
    state_.emplace(Must(agent::State::Open(directory_ / "state", directory_ / "run")));
  }
  Result<void> Claim(const tpm::Name& name) {
    return agent::ClaimRegister(rig_.device(), *state_, kRegister, name);
  }
  Result<void> Claim() { return Claim(ak_name_); }
  // The chip refuses every extend, as if the process had ended before it.
  void RefuseExtends() {
    rig_.probe().fault = [](size_t, uint32_t code) {
      return code == TPM2_CC_PCR_Extend ? uint32_t{TPM2_RC_FAILURE} : uint32_t{TPM2_RC_SUCCESS};
    };
  }
  Bytes Register() {
    return Must(rig_.device().ReadPcrs(kBank, 1U << kRegister)).values[kRegister];
  }
  // By the ledger on disk.
  Bytes Recorded() {
    return Must(attest::ReplayLedger(
        Must(attest::ParseLedger(Must(platform::ReadFile(ledger_path_, 65536)))), kBank));
  }
  size_t Extends() { return Count(rig_.probe(), TPM2_CC_PCR_Extend); }
  void ExtendByAnother() {
    Must(rig_.device().ExtendPcr(kRegister, {{kBank, Bytes(32, 0x77)}}));
    rig_.probe().Reset();
  }

  TpmRig rig_;
  TempDir directory_;
  std::optional<agent::State> state_ =
      Must(agent::State::Open(directory_ / "state", directory_ / "run"));
  const std::string ledger_path_ = directory_ / "run/ledger.cel";
  const tpm::Name ak_name_ = tpm::Name(34, 0x0b);
  const tpm::Name other_ak_name_ = tpm::Name(34, 0x0c);
};

TEST_F(ClaimTest, IsRecordedAndExtendedOnce) {
  Must(Claim());
  EXPECT_EQ(Register(), Recorded());
  EXPECT_NE(Register(), Bytes(32, 0));
  Must(Claim());
  EXPECT_EQ(Extends(), 1u);
}

TEST_F(ClaimTest, ACrashBetweenRecordAndExtendIsMendedAtTheNextStart) {
  RefuseExtends();
  ASSERT_FALSE(Claim());
  EXPECT_EQ(Register(), Bytes(32, 0));
  EXPECT_NE(Recorded(), Bytes(32, 0)) << "the record is on disk before the chip extends";
  Restart();
  rig_.probe().fault = {};
  Must(Claim());
  EXPECT_EQ(Register(), Recorded());
}

TEST_F(ClaimTest, ACrashAfterTheExtendIsNoticedAndNothingExtendedTwice) {
  Must(Claim());
  Restart();
  rig_.probe().Reset();
  Must(Claim());
  EXPECT_EQ(Extends(), 0u);
  EXPECT_EQ(Register(), Recorded());
}

TEST_F(ClaimTest, ACrashBeforeTheExtendOfATouchedRegisterIsMendedToo) {
  ExtendByAnother();
  RefuseExtends();
  ASSERT_FALSE(Claim());
  Restart();
  rig_.probe().fault = {};
  Must(Claim());
  EXPECT_EQ(Register(), Recorded());
  EXPECT_FALSE(state_->ledger().front().claim.first_look.empty()) << "it says that it was touched";
}

TEST_F(ClaimTest, WhatCannotBeRecordedIsNotExtendedAlsoNotAtTheNextTry) {
  std::filesystem::create_directory(ledger_path_);
  for (int attempt = 0; attempt < 2; ++attempt) {
    EXPECT_FALSE(Claim());
    EXPECT_EQ(Extends(), 0u);
    EXPECT_TRUE(state_->ledger().empty());
  }
  std::filesystem::remove(ledger_path_);
  Must(Claim());
  EXPECT_EQ(Register(), Recorded());
}

TEST_F(ClaimTest, ARegisterThatAnotherExtendedSinceIsNamedAndLeftAlone) {
  Must(Claim());
  ExtendByAnother();
  const auto claimed = Claim();
  ASSERT_FALSE(claimed);
  EXPECT_EQ(claimed.error().Name(), "ledger-register-busy");
  EXPECT_NE(claimed.error().text.find(ToHex(Register())), std::string::npos);
  EXPECT_EQ(Extends(), 0u);
}

TEST_F(ClaimTest, AnotherRegisterInTheSameBootIsRefused) {
  Must(Claim());
  rig_.probe().Reset();
  EXPECT_EQ(agent::ClaimRegister(rig_.device(), *state_, 12, ak_name_).error().Name(),
            "ledger-register-changed");
  EXPECT_EQ(Extends(), 0u);
}

TEST_F(ClaimTest, TheClaimOfTheKeyBeforeStaysForTheIssuerToJudge) {
  Must(Claim());
  rig_.probe().Reset();
  Must(Claim(other_ak_name_));
  EXPECT_EQ(Extends(), 0u);
  EXPECT_EQ(state_->ledger().front().claim.ak_name, ak_name_);
  EXPECT_EQ(Register(), Recorded());
}

TEST_F(ClaimTest, AClaimThatWasNeverExtendedGivesWayToThatOfAnotherKey) {
  RefuseExtends();
  ASSERT_FALSE(Claim());
  rig_.probe().fault = {};
  Must(Claim(other_ak_name_));
  ASSERT_EQ(state_->ledger().size(), 1u);
  EXPECT_EQ(state_->ledger().front().claim.ak_name, other_ak_name_);
  EXPECT_EQ(Register(), Recorded());
}

}  // namespace
}  // namespace lodekey::test
