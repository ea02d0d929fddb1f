#include "agent/claim.h"

#include <algorithm>

#include <fmt/format.h>

#include "attest/ledger.h"

namespace lodekey::agent {
namespace {

constexpr crypto::HashAlg kBank = crypto::HashAlg::kSha256;

std::vector<tpm::Device::BankDigest> ToDevice(const std::vector<attest::BankDigest>& digests) {
  std::vector<tpm::Device::BankDigest> result;
  for (const attest::BankDigest& digest : digests) result.push_back({digest.bank, digest.digest});
  return result;
}

Result<Bytes> ReadRegister(tpm::Device& device, uint8_t pcr) {
  ASSIGN_OR_RETURN(tpm::PcrBank bank, device.ReadPcrs(kBank, 1U << pcr),
                   "read the ledger register");
  return bank.values[pcr];
}

bool IsInitial(ByteView value) {
  return std::ranges::all_of(value, [](uint8_t byte) { return byte == 0; });
}

// Looks at the register, records the claim, then extends.
Result<void> MakeClaim(tpm::Device& device, State& state, uint8_t pcr, const tpm::Name& ak_name) {
  ASSIGN_OR_RETURN(const Bytes seen, ReadRegister(device, pcr), "first look");
  ASSIGN_OR_RETURN(const tpm::TpmProperties properties, device.ReadProperties(), "active banks");
  attest::LedgerRecord record{.pcr = pcr,
                              .digests = attest::ClaimDigests(ak_name, properties.banks),
                              .claim = {.ak_name = ak_name}};
  // A register in use before: what it held is recorded, the grade falls, and the verifier decides.
  if (!IsInitial(seen)) record.claim.first_look = attest::EncodeFirstLook({{kBank, seen}});
  const auto digests = ToDevice(record.digests);
  state.ledger().push_back(std::move(record));
  if (auto saved = state.SaveLedger(); !saved) {
    state.ledger().pop_back();  // what is not on disk must not be extended at the next try either
    return std::unexpected(std::move(saved.error()).Wrapped("record the claim"));
  }
  return device.ExtendPcr(pcr, digests);
}

// A ledger exists: the register must hold what it says, or what it said before a crash kept the
// last extend from happening.
Result<void> FinishClaim(tpm::Device& device, State& state, uint8_t pcr, const tpm::Name& ak_name) {
  const attest::Ledger& ledger = state.ledger();
  ASSIGN_OR_RETURN(const Bytes seen, ReadRegister(device, pcr), "ledger register");
  ASSIGN_OR_RETURN(const Bytes expected, attest::ReplayLedger(ledger, kBank), "replay the ledger");
  if (seen == expected) return {};
  const attest::Claim& claim = ledger.front().claim;
  ASSIGN_OR_RETURN(const Bytes before, attest::ReadFirstLook(claim.first_look, kBank),
                   "first look");
  if (ledger.size() == 1 && seen == before) {
    if (claim.ak_name == ak_name) return device.ExtendPcr(pcr, ToDevice(ledger.front().digests));
    state.ledger().clear();
    return MakeClaim(device, state, pcr, ak_name);
  }
  return Fail(
      Code::kHardware,
      fmt::format("PCR {} holds {}, lodekey's ledger says {}", pcr, ToHex(seen), ToHex(expected)),
      {.name = "ledger-register-busy",
       .advice = "Something else extends this register. Set tpm.ledger_pcr to a free one ('lodekey "
                 "doctor' proposes) and reboot."});
}

}  // namespace

Result<void> ClaimRegister(tpm::Device& device, State& state, uint8_t register_number,
                           const tpm::Name& ak_name) {
  const attest::Ledger& ledger = state.ledger();
  if (ledger.empty()) return MakeClaim(device, state, register_number, ak_name);
  if (ledger.front().pcr != register_number) {
    return Fail(Code::kConflict, fmt::format("this boot's claim is in PCR {}", ledger.front().pcr),
                {.name = "ledger-register-changed",
                 .advice = "Set tpm.ledger_pcr back, or reboot the host: a register is claimed "
                           "once a boot."});
  }
  // A claim for the AK before this one stays: only the issuer can say whether this one was
  // approved.
  return FinishClaim(device, state, register_number, ak_name);
}

}  // namespace lodekey::agent
