// What a chip says of itself.
#include <algorithm>
#include <map>

#include <tss2/tss2_esys.h>

#include "tpm/device.h"
#include "tpm/device_call.h"

namespace lodekey::tpm {
namespace {

Result<EsysPtr<TPMS_CAPABILITY_DATA>> Capability(ESYS_CONTEXT* esys, TPM2_CAP capability,
                                                 UINT32 first, UINT32 count) {
  TPMI_YES_NO more = TPM2_NO;
  TPMS_CAPABILITY_DATA* data = nullptr;
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                              capability, first, count, &more, &data);
                  }),
                  "read the TPM's properties");
  return EsysPtr<TPMS_CAPABILITY_DATA>(data);
}

// Four characters, the first in the most significant byte (part 2, 6.13).
std::string ToManufacturer(UINT32 value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text.push_back(static_cast<char>(value >> shift));
  const size_t end = text.find_last_not_of(std::string_view("\0 ", 2));
  return text.substr(0, end == std::string::npos ? 0 : end + 1);
}

// A bank is allocated when it holds at least one register (part 3, 22.5).
std::vector<crypto::HashAlg> AllocatedBanks(const TPML_PCR_SELECTION& selections) {
  std::vector<crypto::HashAlg> banks;
  const size_t count = std::min<size_t>(selections.count, TPM2_NUM_PCR_BANKS);
  for (const TPMS_PCR_SELECTION& bank : std::span(selections.pcrSelections, count)) {
    const auto known = ToHashAlg(bank.hash);
    const bool used = std::ranges::any_of(bank.pcrSelect, [](BYTE bits) { return bits != 0; });
    if (known && used) banks.push_back(*known);
  }
  return banks;
}

}  // namespace

Result<TpmProperties> Device::ReadProperties() {
  constexpr UINT32 kFirst = TPM2_PT_MANUFACTURER;
  constexpr UINT32 kCount = TPM2_PT_FIRMWARE_VERSION_2 - TPM2_PT_MANUFACTURER + 1;
  ASSIGN_OR_RETURN(const auto fixed, Capability(esys_, TPM2_CAP_TPM_PROPERTIES, kFirst, kCount),
                   "properties");
  std::map<TPM2_PT, UINT32> values;
  const auto& list = fixed->data.tpmProperties;
  const size_t count = std::min<size_t>(list.count, TPM2_MAX_TPM_PROPERTIES);
  for (const TPMS_TAGGED_PROPERTY& property : std::span(list.tpmProperty, count)) {
    values[property.property] = property.value;
  }
  ASSIGN_OR_RETURN(const auto pcrs, Capability(esys_, TPM2_CAP_PCRS, 0, 1), "PCR banks");
  return TpmProperties{
      .manufacturer = ToManufacturer(values[TPM2_PT_MANUFACTURER]),
      .firmware_version =
          uint64_t{values[TPM2_PT_FIRMWARE_VERSION_1]} << 32 | values[TPM2_PT_FIRMWARE_VERSION_2],
      .banks = AllocatedBanks(pcrs->data.assignedPCR),
  };
}

Result<ClockInfo> Device::ReadClock() {
  TPMS_TIME_INFO* time = nullptr;
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_ReadClock(esys_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &time);
                  }),
                  "read the TPM's clock");
  const EsysPtr<TPMS_TIME_INFO> time_owner(time);
  const TPMS_CLOCK_INFO& clock = time->clockInfo;
  return ClockInfo{.clock = clock.clock,
                   .reset_count = clock.resetCount,
                   .restart_count = clock.restartCount,
                   .safe = clock.safe == TPM2_YES};
}

}  // namespace lodekey::tpm
