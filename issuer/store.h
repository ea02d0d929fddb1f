// The issuer's memory: one interface, one contract suite, SQLite now and PostgreSQL later.
//
// Writes are closures over a Transaction. Many closures share one commit (group commit): each runs
// in a savepoint of its own, so that one that fails leaves the others alone; the audit records of a
// closure are chained and stored with it; after the commit the audit lines are appended to the log
// and made durable; only then is the closure's `done` called. So when `done` is called with
// success, state and audit line will survive a power cut.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attest/entry.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/hash_chain.h"
#include "issuer/node_record.h"
#include "tpm/pcr.h"

namespace lodekey::issuer {

enum class CredentialState {
  kPending,  // its audit line is not durable yet: must not be given out
  kIssued,   // its audit line is durable
  kVoid,     // its audit line was not durable when it should have been: was never given out
};

enum class CredentialKind {
  kNode,  // the node's own X.509-SVID
  kX509,  // a workload's
  kJwt,
};

// "node", "x509", "jwt", and back (kInvalidArgument).
std::string_view CredentialKindName(CredentialKind kind);
Result<CredentialKind> ParseCredentialKind(std::string_view name);

struct CredentialRecord {
  Bytes serial;  // of a JWT-SVID: its "jti"
  NodeId node;
  std::string spiffe_id;
  Time not_before;
  Time not_after;
  Bytes tbs_digest;                                   // SHA-256 of what is signed
  Time evidence_time;                                 // of the evidence it rests on
  uint64_t audit_seq = 0;                             // set by the store: the line that records it
  CredentialState state = CredentialState::kPending;  // set by the store
  CredentialKind kind = CredentialKind::kNode;
  std::string entry = {};  // of a workload's: the id of the entry it rests on
};

// Values that are accepted for a PCR in a group; several may stand side by side.
struct ReferencePcr {
  std::string group;
  crypto::HashAlg bank = crypto::HashAlg::kSha256;
  uint8_t pcr = 0;
  Bytes value;
  Time approved;
  std::string approved_by;
};

// A policy that was applied (issuer/policy_bundle.h). Versions count from 1, without gaps.
struct PolicyRecord {
  uint64_t version = 0;
  Bytes digest;         // SHA-256 of the bundle
  std::string content;  // EncodeBundle
  Time applied;
  std::string applied_by;
  std::string note = {};
  uint64_t rolled_back_to = 0;  // 0: none
  uint64_t signed_version = 0;  // as the signer counts; 0: unsigned
  Bytes signer = {};            // Ed25519 public key
  Bytes signature = {};
  bool allows_all = false;
  bool operator==(const PolicyRecord&) const = default;
};

// What a policy decided, with what it decided on.
struct DecisionRecord {
  uint64_t seq = 0;  // set by the store, rising
  Time decided;
  std::string point;  // PolicyPointName
  NodeId node;
  std::string entry = {};
  uint64_t policy_version = 0;
  bool allowed = false;
  std::string outcome;  // a serialised lodekey.policy.v1.Decision
  Bytes input_digest;   // SHA-256 of `input`
  std::string input;    // JSON, at most kMaxDecisionInput bytes (issuer/store_limits.h)
  bool operator==(const DecisionRecord&) const = default;
};

// Which decisions are asked for: all that are given must hold.
struct DecisionFilter {
  uint64_t after = 0;  // seq
  Time since = {};
  std::optional<Time> until = {};
  NodeId node = {};
  std::string point = {};
  std::optional<bool> allowed = {};
};

// How long what decisions rest on is kept.
struct Retention {
  Duration decisions = std::chrono::hours(7 * 24);
  Duration evidence = std::chrono::hours(30 * 24);  // logs that no enrolment names (any more)
  Duration pending = std::chrono::hours(7 * 24);    // hosts that wait for approval, since last seen
};

// Of hosts that wait for approval: the network (SourceOfWaiting) that has most of them.
struct WaitingSource {
  std::string source;
  uint64_t hosts = 0;
  NodeId longest_unseen;  // of them
};

// Reads of one consistent snapshot.
class View {
 public:
  virtual ~View() = default;
  virtual Result<std::optional<NodeRecord>> FindNode(const NodeId& id) = 0;
  // The node for which an endorsement key with this SPKI SHA-256 (hex) is recorded.
  virtual Result<std::optional<NodeRecord>> FindNodeByEk(const std::string& ek_hash) = 0;
  // Ordered by id, those after `after`; at most `limit`.
  virtual Result<std::vector<NodeRecord>> ListNodes(const NodeId& after, size_t limit) = 0;
  // The same of those that have this standing.
  virtual Result<std::vector<NodeRecord>> ListNodesOf(Standing standing, const NodeId& after,
                                                      size_t limit) = 0;
  virtual Result<std::vector<ReferencePcr>> ListReferences(const std::string& group) = 0;
  virtual Result<std::optional<CredentialRecord>> FindCredential(ByteView serial) = 0;
  // The newest first; at most `limit`.
  virtual Result<std::vector<CredentialRecord>> ListCredentials(const NodeId& node,
                                                                size_t limit) = 0;
  virtual Result<std::optional<attest::Entry>> FindEntry(const std::string& id) = 0;
  // Ordered by id, those after `after`; at most `limit`.
  virtual Result<std::vector<attest::Entry>> ListEntries(const std::string& after,
                                                         size_t limit) = 0;
  virtual Result<uint64_t> CountEntries() = 0;
  // The id of another entry with the same attest::EntryLikeness.
  virtual Result<std::optional<std::string>> FindAlike(const attest::Entry& entry) = 0;
  // The policy that was applied last; none: as shipped.
  virtual Result<std::optional<PolicyRecord>> CurrentPolicy() = 0;
  virtual Result<std::optional<PolicyRecord>> FindPolicy(uint64_t version) = 0;
  // The newest first, without their content; at most `limit`.
  virtual Result<std::vector<PolicyRecord>> ListPolicies(size_t limit) = 0;
  // By seq; at most `limit`, and fewer where their inputs are large (kMaxDecisionPage): the last
  // page is the empty one.
  virtual Result<std::vector<DecisionRecord>> ListDecisions(const DecisionFilter& filter,
                                                            size_t limit) = 0;
  // The newest whose input digest begins with `prefix`. kConflict ("input-ambiguous") when two
  // different digests do.
  virtual Result<std::optional<DecisionRecord>> FindDecision(ByteView prefix) = 0;
  // The newest on the node's standing.
  virtual Result<std::optional<DecisionRecord>> LastStanding(const NodeId& node) = 0;
  // How many nodes have this standing.
  virtual Result<uint64_t> CountNodes(Standing standing) = 0;
  // The node that enrolled with this DevID key (SHA-256 of its SubjectPublicKeyInfo).
  virtual Result<std::optional<NodeId>> FindNodeByDevId(ByteView devid) = 0;
  virtual Result<bool> HasLog(ByteView digest) = 0;
  virtual Result<std::optional<Bytes>> FindLog(ByteView digest) = 0;
  // After the last committed line. It may be about to be written to the log, but is never lost.
  virtual Result<crypto::ChainHead> AuditHead() = 0;
};

class Transaction : public View {
 public:
  // Inserts (revision 0) or replaces the row whose revision is record.revision; kConflict
  // ("node-changed") when the row has another revision. The stored revision is one higher. Keeps
  // the EK table in step: kConflict ("ek-taken") when an EK of the record is recorded for another
  // node, ("devid-taken") when its DevID key is. kInvalidArgument ("node-state-invalid") beyond the
  // limits of issuer/node_limits.h. A log that the enrolment before named, this one does not and no
  // other node's does is forgotten: a node makes the store keep one log, however often it boots.
  virtual Result<void> PutNode(const NodeRecord& record) = 0;

  // All below: kInvalidArgument ("record-invalid") beyond the limits of issuer/store_limits.h, and
  // kNotFound ("node-unknown") for a node that is not stored.

  // kConflict ("challenge-used") when this id was used before.
  virtual Result<void> UseChallenge(ByteView id, Time expires) = 0;
  // The same again changes nothing.
  virtual Result<void> PutReference(const ReferencePcr& reference) = 0;
  // By group, bank, register and value; one that is not there changes nothing.
  virtual Result<void> DeleteReference(const ReferencePcr& reference) = 0;
  // Inserts (revision 0) or replaces the entry whose revision is entry.revision; kConflict
  // ("entry-changed") when it has another revision, ("entry-exists") when FindAlike finds one. The
  // stored revision is one higher.
  virtual Result<void> PutEntry(const attest::Entry& entry) = 0;
  // kConflict ("entry-changed") when there is none with this revision.
  virtual Result<void> DeleteEntry(const std::string& id, uint64_t revision) = 0;
  // kConflict ("policy-changed") when record.version is not the last one's successor, or when it
  // is signed and record.signed_version is lower than that of any before.
  virtual Result<void> PutPolicy(const PolicyRecord& record) = 0;
  // Its seq is given by the store. kConflict ("policy-changed") when its policy_version is not that
  // of the policy that was applied last (none: 0): what follows from a decision is stored with it,
  // or not at all. Its node need not be stored: it may be what was denied. Where
  // all would have more bytes than the store was given room for, those of the node that has most
  // give way, its oldest first; never the newest on its standing of a node that is active, from
  // when it was stored.
  virtual Result<void> PutDecision(const DecisionRecord& record) = 0;
  // Of those that showed a DevID, or of those that did not; nullopt: none waits.
  virtual Result<std::optional<WaitingSource>> LargestWaitingSource(bool with_devid) = 0;
  virtual Result<uint64_t> CountWaiting(const std::string& source, bool with_devid) = 0;
  // Forgets a host that waits for approval, as Expire does; kConflict ("node-changed") for a node
  // that does not wait, or was given something once.
  virtual Result<void> ForgetWaiting(const NodeId& id, Time now) = 0;
  // Content-addressed by SHA-256: stored once, whoever brings it. At most 4 MiB.
  virtual Result<void> PutLog(ByteView digest, ByteView content, Time now) = 0;
  // Appends to the node's IMA list of this boot at `offset`, which must be its present size
  // (kConflict, "ima-offset", else). Offset 0 starts anew. At most 4 MiB at a time.
  virtual Result<void> AppendIma(const NodeId& node, uint64_t offset, ByteView content) = 0;
  // The line that records it is the last one queued by this closure, or the next one when none was
  // queued yet; a closure that queues none fails with kInternal ("credential-unaudited"). kConflict
  // ("serial-taken") when the serial exists.
  virtual Result<void> PutCredential(const CredentialRecord& record) = 0;
  // Queues one audit record (a JSON object on one line, at most 65,024 bytes; the closure fails
  // with kInvalidArgument else) behind those queued before. Its sequence number is known at once,
  // its line is durable when the closure's `done` is called.
  virtual uint64_t Audit(std::string record) = 0;
  // Forgets what nobody needs any longer, a bounded part of it; returns how many records, 0 when
  // there is nothing. Used challenges and void credentials whose time is over; issued credentials
  // kCredentialMargin after theirs, but for the last one of each node itself; logs that no
  // enrolment has named for retention.evidence, as after a node was removed; IMA lists of removed
  // nodes; decisions after retention.decisions, and those that PutDecision would, but never what it
  // would not; nodes that wait for approval and were not seen for retention.pending. A removed
  // node's enrolment names nothing. The audit log stays.
  virtual Result<size_t> Expire(Time now, const Retention& retention) = 0;
};

// A closure may run twice (PostgreSQL retries); it must not have side effects of its own.
using Change = std::function<Result<void>(Transaction&)>;
using Done = std::function<void(Result<crypto::ChainHead>)>;

class Store {
 public:
  virtual ~Store() = default;
  // Runs `read` on a snapshot, on the calling thread. Thread-safe.
  virtual Result<void> Read(const std::function<Result<void>(View&)>& read) = 0;
  // Queues `change`; calls `done` once, on the writer's thread, with the audit head after the
  // batch, or the error that kept everything of this change out. Thread-safe. `done` must not wait
  // for another commit. What it throws is dropped: it answers whoever waits for it itself, also
  // when it fails (base/guarded.h). kUnavailable:
  // - "store-busy" (4,096 changes wait already) and "store-closed": on the caller's thread;
  // - "store-unavailable": the batch could not be committed, nothing of it is stored;
  // - "audit-unavailable": the audit log cannot be written. The change may be stored, its audit
  // lines
  //   will be, its credentials are void. Nothing else is committed until the log can be written.
  virtual void Commit(Change change, Done done) = 0;

  // Commit and wait. Not from the writer's thread.
  Result<crypto::ChainHead> CommitAndWait(Change change);
};

}  // namespace lodekey::issuer
