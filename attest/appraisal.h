// The verifier (RFC 9334): judges what a node's TPM signed. Pure: no clock, no disk, no network, no
// chip.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "attest/binding.h"
#include "attest/evidence.h"
#include "attest/verdict.h"
#include "base/time.h"
#include "tpm/attestation.h"
#include "tpm/pcr.h"
#include "tpm/public_area.h"

namespace lodekey::attest {

// What is quoted and what it is compared with: data.appraisal of the issuer's policy. Whether what
// the comparison finds is acceptable is that policy's to say.
struct AppraisalPolicy {
  crypto::HashAlg bank = crypto::HashAlg::kSha256;
  tpm::PcrMask required = 0x00ffff;     // must be quoted: 0-15
  tpm::PcrMask static_pcrs = 0x0043ff;  // do not change within a boot: 0-9,14
  // A ledger may live in these. One register, so that one chip has one claim in each boot.
  tpm::PcrMask ledger_registers = 1U << 13;
  bool operator==(const AppraisalPolicy&) const = default;
};

// Values that are acceptable for the node's group in the policy's bank, by register.
using References = std::map<uint8_t, std::vector<Bytes>>;

// The keys and the context that a quote must be bound to.
struct Subject {
  std::string trust_domain;
  std::string node_id;  // hex
  std::string group;    // names the references in texts
  tpm::PublicArea ak;
  tpm::PublicArea node_key;
};

// A TPM may be cleared now and then; two machines that take turns go back again and again.
inline constexpr Duration kResetCountWatch = std::chrono::hours(7 * 24);

// What an earlier enrolment of the same node established.
struct EarlierEnrolment {
  tpm::Name ak_name;
  tpm::ClockInfo clock;
  uint64_t firmware_version = 0;
  tpm::PcrBank static_pcrs = {};
  Bytes boot_log_digest = {};
  uint8_t ledger_pcr = kNoLedger;
  Bytes ledger = {};                            // as far as it was accepted
  std::optional<Duration> since_decrease = {};  // since an enrolment whose resetCount was lower
                                                // than the one before it; absent: there was none
};

struct EnrolmentContext {
  Bytes nonce;
  ByteView activation_secret;  // as recovered; the caller has compared it
  std::optional<EarlierEnrolment> earlier = {};
  Bytes approved_ak = {};  // name of an AK that an operator approved
};

// What the enrolment of this boot and the evidence since established.
struct EnrolledState {
  tpm::ClockInfo clock;
  uint64_t firmware_version = 0;
  tpm::PcrBank pcrs = {};  // last accepted
  tpm::PcrBank static_pcrs = {};
  Bytes boot_log_digest = {};
  uint8_t ledger_pcr = kNoLedger;
  Bytes ledger = {};
};

// Finish of an enrolment: certification of the node key and the first evidence.
Verdict AppraiseEnrolment(const Subject& subject, const EnrolmentContext& context,
                          const Certification& certification, const Evidence& evidence,
                          const References& references, const AppraisalPolicy& policy);

// Evidence of an enrolled node for `nonce`.
Verdict AppraiseEvidence(const Subject& subject, ByteView nonce, const EnrolledState& state,
                         const Evidence& evidence, const References& references,
                         const AppraisalPolicy& policy);

// Whether `evidence` carries a valid quote of this node over `nonce`, whatever it says: tells a
// clone from noise.
bool IsAuthentic(const Subject& subject, ByteView nonce, const Evidence& evidence);

}  // namespace lodekey::attest
