// Callers who have not proved which node they are: how much is done for them, and how many of them
// are told why they are refused (docs/protocol.md, Enrolment).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "issuer/config.h"
#include "issuer/rate_limit.h"

namespace lodekey::issuer {

// What a call is refused by that is beyond a limit. Neither is logged: a flood must not fill the
// log.
inline constexpr std::string_view kTooManyEnrolments = "too-many-enrolments";
inline constexpr std::string_view kTooManyAttestations = "too-many-attestations";

// Who calls, as the connection shows it.
struct Caller {
  std::string source;   // what limits count by: all of an IPv6 network is one
  std::string address;  // IPv4 or IPv6 literal; empty: none
};

// Thread-safe.
class Strangers {
 public:
  // Calls a second of one source that anything is done for. Wide, because a node may have the same
  // address; what its own limit does not bound is a parsed request and a look at the inventory.
  static constexpr uint32_t kCallsPerSource = 1000;

  explicit Strangers(const IssuerConfig& config);

  // Charges a call of `source`, who may turn out to be a node; fails with the name `too_many`.
  Result<void> Admit(const std::string& source, std::string_view too_many);

  // Charges a stranger for whom something is done.
  Result<void> Charge(const std::string& source, std::string_view too_many);

  // `reason`, charged to the source and to all strangers together; beyond that `too_many`.
  std::unexpected<Error> Refuse(const std::string& source, Error reason, std::string_view too_many);

 private:
  RateLimit calls_;
  RateLimit refusals_;
};

}  // namespace lodekey::issuer
