// What the issuer remembers of a node: one row, one revision, read and written as a whole.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/verdict.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "tpm/attestation.h"
#include "tpm/pcr.h"

namespace lodekey::issuer {

// 64 lower-case hex digits: SHA-256 of the DER SubjectPublicKeyInfo of the node's endorsement key.
using NodeId = std::string;

enum class Standing {
  kAllowed,      // in the inventory; has not enrolled, or its enrolment was withdrawn by a reboot
  kActive,       // the last evidence was accepted
  kRefused,      // the last evidence was refused: no identity until evidence is accepted
  kQuarantined,  // a clone or a forged continuation is possible: an operator must look
  kRemoved,      // removed by an operator; its endorsement keys are revoked
  kPending,      // proved its TPM, and waits for an operator to approve it
  kBarred,       // an operator denied it: it is not asked about again
};

inline constexpr std::array kStandings = {
    Standing::kAllowed, Standing::kActive,  Standing::kRefused, Standing::kQuarantined,
    Standing::kRemoved, Standing::kPending, Standing::kBarred};

// "allowed", "active", "refused", "quarantined", "removed", "pending", "barred", and back
// (kInvalidArgument).
std::string_view StandingName(Standing standing);
Result<Standing> ParseStanding(std::string_view name);

// A nonce that was given to the node, and what became of it.
struct IssuedNonce {
  Bytes value;  // 32 bytes
  Time made;    // the time of the evidence that answers it
  Time expires;
  Bytes request_digest = {};  // SHA-256 of the request that used it; empty: unused
  Bytes reply = {};           // the serialised reply to that request
  bool operator==(const IssuedNonce&) const = default;
};

// What the current boot's enrolment established. Dropped when the node enrols again.
struct Enrolment {
  Bytes ek_public;        // TPM2B_PUBLIC
  Bytes ak_public;        // TPM2B_PUBLIC
  Bytes node_key_public;  // TPM2B_PUBLIC
  Time enrolled;
  std::string assurance;  // "hardware", "inventory" or "emulator"
  uint64_t firmware_version = 0;
  tpm::ClockInfo clock = {};      // of the last accepted evidence
  Time evidence_time = {};        // of the last accepted evidence: when its nonce was made
  tpm::PcrBank pcrs = {};         // of the last accepted evidence
  tpm::PcrBank static_pcrs = {};  // of the first evidence of this boot, or as approved since
  Bytes boot_log_digest = {};     // SHA-256; empty: the host has no boot log
  uint8_t ledger_pcr = 0xff;      // 0xff: none
  Bytes ledger = {};              // the ledger as far as it was accepted
  uint64_t ima_bytes = 0;         // how much of the IMA list has been stored
  Bytes serial = {};              // of the current node certificate
  Time not_after = {};
  std::vector<attest::Fact> facts = {};  // that the last accepted evidence showed
  bool operator==(const Enrolment&) const = default;
};

// An attestation key that was presented where another one stands; waits for an operator.
struct PendingAk {
  Bytes ak_name;
  Time seen;
  bool operator==(const PendingAk&) const = default;
};

struct NodeRecord {
  NodeId id;
  Standing standing = Standing::kAllowed;
  uint64_t revision = 0;  // 0: not stored yet
  // "group" names the reference values it is judged by.
  std::map<std::string, std::string> labels = {};
  Time created = {};
  Time updated = {};
  std::vector<std::string> ek_hashes =
      {};  // every EK recorded for the node, hex; the first: the id
  std::optional<Enrolment> enrolment = {};
  std::vector<IssuedNonce> nonces = {};  // oldest first; at most two unused, and the last used
  Bytes approved_ak = {};                // name of an AK that an operator approved in advance
  std::optional<PendingAk> pending_ak = {};
  std::string last_verdict = {};  // serialised; the last one, accepted or refused: for people
  tpm::PcrBank last_pcrs = {};    // as presented (and proved) by the last judged evidence
  Time last_seen = {};
  // When an enrolment was accepted whose resetCount was lower than the one before it.
  std::optional<Time> reset_count_decreased = {};
  // Of one that waits for approval: what it showed ("assurance", "manufacturer", "source",
  // "devid").
  std::map<std::string, std::string> shown = {};
  Bytes devid = {};  // SHA-256 of the key (SPKI) of the DevID it enrolled with; empty: none
  std::string devid_name = {};  // subject and serial of its certificate

  std::string Group() const;  // labels["group"], else "default"
  // The log that the node's enrolment names; empty: none. A removed node names nothing: it has to
  // enrol again whatever becomes of it.
  ByteView BootLog() const;
  bool operator==(const NodeRecord&) const = default;
};

// The network that a host comes from which waits for approval (issuer/network.h).
std::string SourceOfWaiting(const NodeRecord& record);

// The state column: a serialised lodekey.store.v1.NodeState. Everything but id, revision and
// standing. The same record gives the same bytes.
std::string EncodeNodeState(const NodeRecord& record);

// kInvalidArgument ("node-state-invalid") when `state` is no such message or the record it gives is
// beyond the limits of issuer/node_limits.h.
Result<NodeRecord> DecodeNodeState(NodeId id, uint64_t revision, Standing standing,
                                   std::string_view state);

}  // namespace lodekey::issuer
