// A process as the Workload API would see it if it connected now, for people.
#pragma once

#include <functional>
#include <sys/types.h>

#include "agent/attestation_pool.h"
#include "agent/issuer_refusals.h"
#include "agent/svid_book.h"
#include "base/result.h"
#include "lodekey/agent/v1/agent_service.pb.h"

namespace lodekey::agent {

// Thread-safe. What it is made of outlives it.
class WorkloadInspection {
 public:
  using Reply = std::function<void(Result<lodekey::agent::v1::Workload>)>;

  // Of the entries that do not match, those that miss least.
  static constexpr size_t kMaxNearEntries = 64;

  WorkloadInspection(AttestationPool& pool, const SvidBook& book, const IssuerRefusals& refusals)
      : pool_(pool), book_(book), refusals_(refusals) {}

  // `reply` is called once, on any thread. kNotFound ("process-not-found").
  void Inspect(pid_t pid, const Reply& reply) const;

 private:
  lodekey::agent::v1::Workload Describe(pid_t pid, const Attested& attested) const;

  AttestationPool& pool_;
  const SvidBook& book_;
  const IssuerRefusals& refusals_;
};

}  // namespace lodekey::agent
