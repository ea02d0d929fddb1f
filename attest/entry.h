// An entry: which processes, on which nodes, get which identity, and how it is made.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "attest/selector.h"
#include "base/result.h"
#include "base/spiffe_id.h"
#include "base/time.h"
#include "crypto/digest.h"

namespace lodekey::attest {

inline constexpr Duration kMaxJwtTtl = std::chrono::hours(1);

using Labels = std::map<std::string, std::string>;

// The nodes on which an entry may be used: those named, or those that have all the labels.
struct NodeScope {
  std::vector<std::string> nodes = {};  // node ids: 64 lower-case hexadecimal digits
  Labels labels = {};
  bool operator==(const NodeScope&) const = default;
};

struct Entry {
  std::string id = {};                   // given by the issuer
  uint64_t revision = 0;                 // 0: not stored yet
  std::string spiffe_id = {};            // "{{NAME}}" in its path stands for the node's label NAME
  NodeScope scope = {};                  // never empty
  std::vector<Selector> selectors = {};  // all of them; at least one separates
  Duration x509_ttl = std::chrono::hours(1);
  Duration jwt_ttl = std::chrono::minutes(5);
  std::vector<std::string> dns_names = {};
  std::string common_name = {};  // for verifiers that ask for one
  std::string hint = {};         // tells identities of one workload apart (Workload API, 5.2.1)
  std::vector<std::string> jwt_audiences = {};  // those allowed, "*": any; empty: no JWT-SVID
  std::string owner = {};
  Time expires = {};      // Time(): never
  bool prefetch = false;  // ahead of the first ask
  bool operator==(const Entry&) const = default;
};

// Limits on what an operator may write: kInvalidArgument, with the name of what is wrong:
// - "entry-spiffe-id": no SPIFFE ID, of another trust domain, without a path, or reserved;
// - "entry-scope": without node scope;
// - "entry-selectors": none, twice the same, too many, or of the executable alone;
// - "entry-invalid": anything else.
Result<void> CheckEntry(const Entry& entry, std::string_view trust_domain);

// The same of an entry as a node gets it: without scope.
Result<void> CheckPushedEntry(const Entry& entry, std::string_view trust_domain);

bool InScope(const NodeScope& scope, std::string_view node_id, const Labels& labels);

// The identity on a node with these labels. kNotFound ("label-missing"); kInvalidArgument
// ("entry-spiffe-id") when a label makes it none, or a reserved one.
Result<SpiffeId> ExpandSpiffeId(const Entry& entry, const Labels& labels);

// Whether a JWT-SVID may be issued for this audience.
bool AllowsAudience(const Entry& entry, std::string_view audience);

// Equal for two entries that give the same identity to the same processes on the same nodes, in
// whatever order they name them (docs/protocol.md, Entries).
crypto::Sha256Digest EntryLikeness(const Entry& entry);

// Whether the entry has ended.
bool HasExpired(const Entry& entry, Time now);

// Those selectors of the entry that are not among `held`; empty: the process matches.
std::vector<Selector> MissingSelectors(const Entry& entry, const std::vector<GradedSelector>& held);

}  // namespace lodekey::attest
