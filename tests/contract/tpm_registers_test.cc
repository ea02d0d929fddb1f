// Registers, non-volatile indices and properties of the chip.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/contract/tpm_rig.h"

namespace lodekey::tpm {
namespace {

using crypto::HashAlg;
using test::Must;
using test::TpmRig;
using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Ge;
using testing::Le;

constexpr PcrMask kAll = 0xffffff;
constexpr TPM2_HANDLE kIndex = 0x01800100;

TEST(TpmProperties, NameTheVendorAndTheBanksWithTwoCommands) {
  TpmRig rig;
  TpmProperties properties;
  EXPECT_EQ(rig.Count([&] { return rig.device().ReadProperties(); }, properties), 2u);
  EXPECT_EQ(properties.manufacturer, "IBM");
  EXPECT_NE(properties.firmware_version, 0u);
  EXPECT_THAT(properties.banks, ElementsAre(HashAlg::kSha1, HashAlg::kSha256));
}

TEST(TpmClock, CountsPowerCycles) {
  TpmRig rig;
  ClockInfo before;
  EXPECT_EQ(rig.Count([&] { return rig.device().ReadClock(); }, before), 1u);
  rig.Close();
  Must(rig.swtpm().PowerCycle());
  rig.Reopen();
  const ClockInfo after = Must(rig.device().ReadClock());
  EXPECT_EQ(after.reset_count, before.reset_count + 1);
  EXPECT_EQ(after.restart_count, 0u);
  EXPECT_TRUE(after.safe) << "the power cycle is orderly";
}

TEST(TpmPcrs, ReadsEightValuesPerCommand) {
  TpmRig rig;
  PcrBank bank;
  EXPECT_EQ(rig.Count([&] { return rig.device().ReadPcrs(HashAlg::kSha256, kAll); }, bank), 3u);
  EXPECT_EQ(bank.mask(), kAll);
  EXPECT_EQ(bank.alg, HashAlg::kSha256);
  EXPECT_EQ(bank.values.at(0), Bytes(32, 0x00));
  EXPECT_EQ(bank.values.at(17), Bytes(32, 0xff));
  EXPECT_EQ(rig.Count([&] { return rig.device().ReadPcrs(HashAlg::kSha1, 0x3ff); }, bank), 2u);
  EXPECT_EQ(bank.mask(), 0x3ffu);
  EXPECT_EQ(rig.Count([&] { return rig.device().ReadPcrs(HashAlg::kSha256, 0); }, bank), 0u);
  EXPECT_TRUE(bank.values.empty());
}

TEST(TpmPcrs, BankThatIsNotAllocatedIsAnError) {
  TpmRig rig;
  const auto bank = rig.device().ReadPcrs(HashAlg::kSha384, 1);
  ASSERT_FALSE(bank);
  EXPECT_EQ(bank.error().code, Code::kHardware);
  EXPECT_THAT(bank.error().text, testing::HasSubstr("read PCRs sha384:0"));
}

TEST(TpmPcrs, ExtendChangesEveryBankGivenWithOneCommand) {
  TpmRig rig;
  const Bytes sha1(20, 1);
  const Bytes sha256(32, 2);
  EXPECT_EQ(rig.Count([&] {
    Must(rig.device().ExtendPcr(14, {{HashAlg::kSha1, sha1}, {HashAlg::kSha256, sha256}}));
  }),
            1u);
  const Bytes in_sha1 = Must(rig.device().ReadPcrs(HashAlg::kSha1, 1u << 14)).values.at(14);
  const Bytes in_sha256 = Must(rig.device().ReadPcrs(HashAlg::kSha256, 1u << 14)).values.at(14);
  EXPECT_EQ(in_sha1, ExtendPcr(HashAlg::kSha1, Bytes(20), sha1));
  EXPECT_EQ(in_sha256, ExtendPcr(HashAlg::kSha256, Bytes(32), sha256));
}

TEST(TpmPcrs, ExtendRefusesWhatCannotBeBeforeAnyCommand) {
  TpmRig rig;
  const size_t commands = rig.Count([&] {
    for (const auto& refused : {
             rig.device().ExtendPcr(24, {{HashAlg::kSha256, Bytes(32)}}),
             rig.device().ExtendPcr(14, {}),
             rig.device().ExtendPcr(14, {{HashAlg::kSha256, Bytes(20)}}),
             rig.device().ExtendPcr(14, {{HashAlg::kSha256, Bytes(33)}}),
         }) {
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
    }
  });
  EXPECT_EQ(commands, 0u);
}

// Extends PCR 14 from beside before each of the first `moves` second reads of a pass.
class MovingRegisters {
 public:
  MovingRegisters(TpmRig& rig, int moves)
      : beside_(Must(Device::Open(rig.swtpm().tcti()))), left_(moves) {
    rig.probe().fault = [this](size_t, uint32_t) { return Next(); };
  }

 private:
  uint32_t Next() {
    first_of_pass_ = !first_of_pass_;
    if (first_of_pass_ || left_ == 0) return 0;
    --left_;
    Must(beside_->ExtendPcr(14, {{HashAlg::kSha256, Bytes(32, 1)}}));
    return 0;
  }

  std::unique_ptr<Device> beside_;
  int left_;
  bool first_of_pass_ = false;
};

TEST(TpmPcrs, ReadsAgainWhenRegistersMovedBetweenCommands) {
  TpmRig rig;
  MovingRegisters moving(rig, 2);
  const PcrBank bank = Must(rig.device().ReadPcrs(HashAlg::kSha256, 0x7fff));
  const Bytes once = ExtendPcr(HashAlg::kSha256, Bytes(32), Bytes(32, 1));
  EXPECT_EQ(bank.values.at(14), ExtendPcr(HashAlg::kSha256, once, Bytes(32, 1)));
  EXPECT_EQ(rig.probe().traffic().commands, 6u);
}

TEST(TpmPcrs, GivesUpWhenRegistersMoveThreeTimes) {
  TpmRig rig;
  MovingRegisters moving(rig, 3);
  const auto bank = rig.device().ReadPcrs(HashAlg::kSha256, 0x7fff);
  ASSERT_FALSE(bank);
  EXPECT_EQ(bank.error().code, Code::kHardware);
  EXPECT_EQ(rig.probe().traffic().commands, 6u);
}

// Defines an index as vendors do (no dictionary-attack protection) and fills it, as the owner.
void MakeIndex(Device& device, TPMA_NV attributes, UINT16 size, bool write) {
  const TPM2B_AUTH no_auth{};
  const TPM2B_NV_PUBLIC area{
      .size = 0,
      .nvPublic = {.nvIndex = kIndex,
                   .nameAlg = TPM2_ALG_SHA256,
                   .attributes = attributes | TPMA_NV_OWNERWRITE | TPMA_NV_NO_DA,
                   .authPolicy = {},
                   .dataSize = size}};
  ESYS_TR index = ESYS_TR_NONE;
  ASSERT_EQ(Esys_NV_DefineSpace(device.esys(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                ESYS_TR_NONE, &no_auth, &area, &index),
            TSS2_RC_SUCCESS);
  for (UINT16 offset = 0; write && offset < size;) {
    TPM2B_MAX_NV_BUFFER chunk{};
    chunk.size = std::min<UINT16>(static_cast<UINT16>(size - offset), 500);
    std::fill_n(chunk.buffer, chunk.size, static_cast<BYTE>(offset / 500 + 1));
    ASSERT_EQ(Esys_NV_Write(device.esys(), ESYS_TR_RH_OWNER, index, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                            ESYS_TR_NONE, &chunk, offset),
              TSS2_RC_SUCCESS);
    offset = static_cast<UINT16>(offset + chunk.size);
  }
  ASSERT_EQ(Esys_TR_Close(device.esys(), &index), TSS2_RC_SUCCESS);
}

TEST(TpmNv, ReadsLongIndicesInPieces) {
  TpmRig rig;
  MakeIndex(rig.device(), TPMA_NV_AUTHREAD, 1500, /*write=*/true);
  std::optional<Bytes> content;
  EXPECT_EQ(rig.Count([&] { return rig.device().ReadNv(kIndex); }, content), 4u);
  ASSERT_TRUE(content);
  ASSERT_EQ(content->size(), 1500u);
  EXPECT_EQ(content->at(0), 1);
  EXPECT_EQ(content->at(499), 1);
  EXPECT_EQ(content->at(1000), 3);
  EXPECT_EQ(content->at(1499), 3);
}

TEST(TpmNv, ReadsWhatOnlyTheOwnerMayRead) {
  TpmRig rig;
  MakeIndex(rig.device(), TPMA_NV_OWNERREAD, 8, /*write=*/true);
  EXPECT_EQ(Must(rig.device().ReadNv(kIndex)), Bytes(8, 1));
}

TEST(TpmNv, RefusesWhatNeitherMayRead) {
  TpmRig rig;
  MakeIndex(rig.device(), TPMA_NV_PPREAD, 8, /*write=*/true);
  const auto content = rig.device().ReadNv(kIndex);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().name, "tpm-auth");
  EXPECT_THAT(content.error().text, testing::HasSubstr("0x01800100"));
}

TEST(TpmNv, IndexThatWasNeverWrittenHoldsNothing) {
  TpmRig rig;
  MakeIndex(rig.device(), TPMA_NV_AUTHREAD, 8, /*write=*/false);
  EXPECT_EQ(Must(rig.device().ReadNv(kIndex)), std::nullopt);
}

TEST(TpmNv, IndexThatDoesNotExistCostsOneCommand) {
  TpmRig rig;
  std::optional<Bytes> content = Bytes{};
  EXPECT_EQ(rig.Count([&] { return rig.device().ReadNv(kIndex); }, content), 1u);
  EXPECT_EQ(content, std::nullopt);
}

TEST(TpmNv, ListsIndicesOfARangeWithOneCommand) {
  TpmRig rig(/*certificate=*/true);
  std::vector<TPM2_HANDLE> found;
  EXPECT_EQ(rig.Count([&] { return rig.device().ListNv(0x01c00000, 0x01c07fff); }, found), 1u);
  EXPECT_THAT(found, Contains(0x01c00002u));
  EXPECT_THAT(found, Contains(0x01c00016u));
  EXPECT_THAT(found, Each(AllOf(Ge(0x01c00000u), Le(0x01c07fffu))));
  EXPECT_THAT(Must(rig.device().ListNv(0x01c00002, 0x01c00002)), ElementsAre(0x01c00002u));
  EXPECT_THAT(Must(rig.device().ListNv(kIndex, kIndex)), ElementsAre());
}

}  // namespace
}  // namespace lodekey::tpm
