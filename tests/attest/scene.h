// An honest host, what the issuer knows of it, and the evidence it sends: all that an appraisal
// takes. Each field is what a real host and issuer would have there; a test changes one and judges.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "attest/appraisal.h"
#include "attest/ledger.h"
#include "tests/support/software_tpm.h"

namespace lodekey::test {

// The chip of most tests, and a stranger's: making keys is what takes time.
const SoftwareTpm& Chip();
const SoftwareTpm& OtherChip();

inline constexpr uint8_t kLedgerPcr = 13;

struct Scene {
  explicit Scene(const SoftwareTpm& tpm = Chip());

  const SoftwareTpm* chip;

  // What the issuer knows.
  attest::Subject subject;
  Bytes nonce = Bytes(attest::kNonceSize, 0x4e);
  Bytes activation_secret = Bytes(32, 0x5e);
  attest::AppraisalPolicy policy = {};
  attest::References references = {};
  std::optional<attest::EarlierEnrolment> earlier = {};  // before an enrolment
  Bytes approved_ak = {};
  attest::EnrolledState state = {};  // after it

  // What the host is and does. The clock is a minute later than what the issuer knows.
  tpm::PcrBank registers;
  tpm::ClockInfo clock;
  uint64_t firmware_version;
  attest::Ledger ledger;
  tpm::PcrSelection selection;
  std::vector<tpm::PcrBank> other_banks = {};  // that the selection names besides
  attest::Evidence message = {};               // all but the quote and its signature
  AttestChanges quote = {};
  AttestChanges certify = {};
  // What somebody on the way does to what was signed.
  std::function<void(attest::Evidence&)> forge = {};
  std::function<void(attest::Certification&)> forge_certification = {};

  // The register holds what `ledger` says, and the message carries it.
  void RecordLedger();
  // The register has the value; the message says so too.
  void SetRegister(uint8_t pcr, const Bytes& value);

  // What the signed structure is bound to; `change` writes into the honest context.
  Bytes Qualifying(attest::Purpose purpose,
                   const std::function<void(attest::BindingContext&)>& change = {}) const;

  attest::Evidence MakeEvidence(attest::Purpose purpose) const;
  attest::Certification MakeCertification() const;
  attest::Verdict Enrol() const;
  attest::Verdict Attest() const;
};

// An enrolment of the scene's own AK in the scene's boot, as the issuer remembers it.
attest::EarlierEnrolment EarlierEnrolmentOf(const Scene& scene);

// What becomes of the evidence where the policy waives no finding.
attest::Outcome Strictest(const attest::Verdict& verdict);

// The codes of the rules that failed, in order.
std::vector<std::string> Codes(const attest::Verdict& verdict);

// The one rule that failed; an exception when there is another number of them.
attest::FailedRule OnlyFailure(const attest::Verdict& verdict);

// The value of the fact; "" when the verdict states no such fact.
std::string FactNamed(const attest::Verdict& verdict, std::string_view name);

}  // namespace lodekey::test
