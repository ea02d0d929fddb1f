#include "cli/doctor_tpm.h"

#include <algorithm>
#include <array>
#include <future>
#include <memory>
#include <thread>

#include <fmt/format.h>

namespace lodekey::cli {
namespace {

constexpr crypto::HashAlg kBank = crypto::HashAlg::kSha256;
constexpr tpm::PcrMask kRegisters = 0x00ff00;
// Registers that may be proposed: the operating system's, which nothing resets within a boot; first
// the one that an issuer allows by default. 14 it takes for one that does not change.
constexpr std::array<uint8_t, 3> kProposed = {13, 12, 15};

bool HasBank(const tpm::TpmProperties& properties) {
  return std::ranges::count(properties.banks, kBank) != 0;
}

Result<void> ReadInto(tpm::Device& device, TpmObservation& seen) {
  ASSIGN_OR_RETURN(seen.properties, device.ReadProperties(), "read the TPM's properties");
  if (HasBank(*seen.properties)) {
    ASSIGN_OR_RETURN(seen.registers, device.ReadPcrs(kBank, kRegisters), "read the registers");
  }
  ASSIGN_OR_RETURN(seen.ek, ReadEkCertificate(device), "read the endorsement key's certificate");
  return {};
}

TpmObservation Observe(const std::string& tcti) {
  TpmObservation seen;
  auto device = tpm::Device::Open(tcti);
  if (!device) {
    seen.problem = device.error();
  } else if (const auto read = ReadInto(**device, seen); !read) {
    seen.problem = read.error();
  }
  return seen;
}

bool IsInitial(const tpm::PcrBank& registers, uint8_t pcr) {
  const auto value = registers.values.find(pcr);
  return value != registers.values.end() &&
         std::ranges::all_of(value->second, [](uint8_t byte) { return byte == 0; });
}

std::string ProposeRegister(const tpm::PcrBank& registers) {
  for (const uint8_t pcr : kProposed) {
    if (!IsInitial(registers, pcr)) continue;
    return fmt::format(
        "PCR {0} is free: set tpm.ledger_pcr = \"{0}\" and reboot the host; the issuer has to "
        "allow "
        "it in appraisal.ledger_registers.",
        pcr);
  }
  return "None of PCR 12, 13 and 15 is free: set tpm.ledger_pcr = \"none\" here and "
         "appraisal.require_claim to false in the issuer's policy (data.json), or find out what "
         "extends them.";
}

Check CheckDevice(const TpmObservation& seen) {
  if (seen.properties && !seen.problem) {
    return {.id = "tpm-device",
            .what = fmt::format("the TPM answers: {}, firmware {:#x}",
                                seen.properties->manufacturer, seen.properties->firmware_version)};
  }
  return FailedCheck("tpm-device", seen.problem.value_or(Error{.text = "the TPM says nothing"}),
                     "Without the TPM this host can prove nothing.");
}

Check CheckEkCertificate(const EkCertificate& ek) {
  if (ek.certificate) {
    return {.id = "ek-certificate",
            .what = fmt::format("the chip holds a certificate for its endorsement key ({})",
                                ek.made_for->name)};
  }
  return {
      .id = "ek-certificate",
      .level = Level::kWarn,
      .what =
          ek.problem.empty()
              ? "the chip holds no certificate for its endorsement key"
              : fmt::format("the certificate of the endorsement key is of no use: {}", ek.problem),
      .why = "The issuer cannot tell that the TPM is genuine; it can admit it by its key alone.",
      .fix = "Here: lodekey ek. It prints what to run on the issuer."};
}

Check CheckBank(const tpm::TpmProperties& properties) {
  if (HasBank(properties)) return {.id = "pcr-bank", .what = "the SHA-256 registers are active"};
  return {.id = "pcr-bank",
          .level = Level::kFail,
          .what = "the TPM has no SHA-256 registers active",
          .why = "The issuer accepts quotes over SHA-256 registers only.",
          .fix =
              "Switch the SHA-256 PCR bank on in the firmware set-up, or: tpm2_pcrallocate "
              "sha256:all, then reboot."};
}

}  // namespace

TpmObservation ObserveTpm(const std::string& tcti, Duration limit) {
  const auto promise = std::make_shared<std::promise<TpmObservation>>();
  auto seen = promise->get_future();
  std::thread([promise, tcti] { promise->set_value(Observe(tcti)); }).detach();
  if (seen.wait_for(limit) == std::future_status::ready) return seen.get();
  return {.problem =
              Error{.code = Code::kUnavailable,
                    .text = fmt::format("the TPM did not answer within {}", FormatDuration(limit)),
                    .name = "tpm-busy",
                    .advice = "Look for another program that keeps it busy; use the "
                              "resource-managed device, /dev/tpmrm0."}};
}

Check CheckLedgerRegister(const tpm::PcrBank& registers, const LedgerExpectation& ledger) {
  Check check{.id = "ledger-register"};
  if (!ledger.pcr) {
    check.level = Level::kWarn;
    check.what = "no ledger register is configured";
    check.why = "Whoever may use the TPM device may then pass for this host.";
    check.fix = ProposeRegister(registers);
    return check;
  }
  const auto pcr = static_cast<uint8_t>(*ledger.pcr);
  const auto value = registers.values.find(pcr);
  if (IsInitial(registers, pcr)) {
    check.what = fmt::format("PCR {} is free for the ledger", pcr);
  } else if (ledger.enrolled) {
    check.what = fmt::format("PCR {} holds the ledger of the agent, which is enrolled", pcr);
  } else if (value != registers.values.end() && value->second == ledger.recorded) {
    check.what = fmt::format("PCR {} holds what the agent's ledger says", pcr);
  } else {
    check.level = Level::kFail;
    check.what = fmt::format(
        "PCR {} was extended by something that is not in a readable ledger of "
        "the agent",
        pcr);
    check.why = "The issuer refuses a host whose ledger does not explain its register.";
    check.fix = ProposeRegister(registers) + " If the agent has claimed it, run this as root.";
  }
  return check;
}

std::vector<Check> CheckTpm(const TpmObservation& seen, const LedgerExpectation& ledger) {
  std::vector<Check> checks{CheckDevice(seen)};
  if (seen.ek) checks.push_back(CheckEkCertificate(*seen.ek));
  if (seen.properties) checks.push_back(CheckBank(*seen.properties));
  if (seen.registers && ledger.known)
    checks.push_back(CheckLedgerRegister(*seen.registers, ledger));
  return checks;
}

}  // namespace lodekey::cli
