// Platform configuration registers of the chip.
#include <algorithm>

#include <fmt/format.h>
#include <tss2/tss2_esys.h>

#include "tpm/device.h"
#include "tpm/device_call.h"

namespace lodekey::tpm {
namespace {

constexpr int kMaxMoves = 3;

std::unexpected<Error> FailRead(std::string text) {
  return Fail(Code::kHardware, std::move(text), {.name = "tpm-failed"});
}

PcrMask MaskOf(const TPMS_PCR_SELECTION& selection) {
  PcrMask mask = 0;
  const size_t size = std::min<size_t>(selection.sizeofSelect, sizeof(mask));
  for (size_t i = 0; i < std::min<size_t>(size, TPM2_PCR_SELECT_MAX); ++i) {
    mask |= static_cast<PcrMask>(selection.pcrSelect[i]) << (8 * i);
  }
  return mask;
}

struct PcrAnswer {
  UINT32 counter = 0;
  PcrMask mask = 0;
  std::vector<Bytes> values;  // of the registers in mask, ascending
};

Result<PcrAnswer> ReadOnce(ESYS_CONTEXT* esys, crypto::HashAlg bank, PcrMask mask) {
  const TPML_PCR_SELECTION wanted = ToTpml({{.bank = bank, .mask = mask}});
  PcrAnswer answer;
  TPML_PCR_SELECTION* selection = nullptr;
  TPML_DIGEST* values = nullptr;
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_PCR_Read(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &wanted,
                                         &answer.counter, &selection, &values);
                  }),
                  "read PCRs");
  const EsysPtr<TPML_PCR_SELECTION> selection_owner(selection);
  const EsysPtr<TPML_DIGEST> values_owner(values);
  if (selection->count == 1 && selection->pcrSelections[0].hash == FromHashAlg(bank)) {
    answer.mask = MaskOf(selection->pcrSelections[0]);
  }
  for (const TPM2B_DIGEST& value : std::span(values->digests, values->count)) {
    answer.values.push_back(ToBytes(ByteView{value.buffer, value.size}));
  }
  return answer;
}

// Moves the values of `answer` into `bank`. The TPM may return fewer than were asked for, never
// others.
Result<void> Take(const PcrAnswer& answer, PcrMask asked, PcrBank& bank) {
  if (answer.values.empty()) return FailRead("the TPM returned no values: is the bank allocated?");
  if ((answer.mask & ~asked) != 0) return FailRead("the TPM returned registers not asked for");
  auto value = answer.values.begin();
  for (uint8_t pcr = 0; pcr < kPcrCount; ++pcr) {
    if ((answer.mask >> pcr & 1) == 0) continue;
    if (value == answer.values.end()) return FailRead("the TPM returned too few values");
    if (value->size() != crypto::DigestSize(bank.alg)) {
      return FailRead(fmt::format("PCR {} has a value of {} bytes", pcr, value->size()));
    }
    bank.values[pcr] = *value++;
  }
  if (value != answer.values.end()) return FailRead("the TPM returned too many values");
  return {};
}

}  // namespace

Result<PcrBank> Device::ReadPcrs(crypto::HashAlg bank, PcrMask mask) {
  const std::string what =
      fmt::format("read PCRs {}:{}", crypto::HashName(bank), FormatPcrMask(mask));
  PcrBank result{.alg = bank};
  std::optional<UINT32> counter;
  for (int moves = 0; result.mask() != mask;) {
    const PcrMask missing = mask & ~result.mask();
    ASSIGN_OR_RETURN(const PcrAnswer answer, ReadOnce(esys_, bank, missing), what);
    if (counter.value_or(answer.counter) != answer.counter) {
      // Something was extended between two commands: values from before and after do not mix.
      if (++moves == kMaxMoves) return FailRead(what + ": the registers do not come to rest");
      counter.reset();
      result.values.clear();
      continue;
    }
    counter = answer.counter;
    RETURN_IF_ERROR(Take(answer, missing, result), what);
  }
  return result;
}

Result<void> Device::ExtendPcr(uint8_t pcr, const std::vector<BankDigest>& digests) {
  const std::string what = fmt::format("extend PCR {}", pcr);
  if (pcr >= kPcrCount || digests.empty() || digests.size() > TPM2_NUM_PCR_BANKS) {
    return Fail(Code::kInvalidArgument, what + ": no such register, or no digest for it");
  }
  TPML_DIGEST_VALUES values{};
  for (const auto& [bank, digest] : digests) {
    if (digest.size() != crypto::DigestSize(bank)) {
      return Fail(Code::kInvalidArgument, fmt::format("{}: a {} digest of {} bytes", what,
                                                      crypto::HashName(bank), digest.size()));
    }
    TPMT_HA& value = values.digests[values.count++];
    value.hashAlg = FromHashAlg(bank);
    std::copy(digest.begin(), digest.end(), reinterpret_cast<BYTE*>(&value.digest));
  }
  const ESYS_TR handle = ESYS_TR_PCR0 + pcr;
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_PCR_Extend(esys_, handle, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                           ESYS_TR_NONE, &values);
                  }),
                  what);
  return {};
}

}  // namespace lodekey::tpm
