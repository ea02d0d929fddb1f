// One stream of the Workload API, from its caller to its end. Everything it does is done on the
// threads of the attestation pool: gRPC's and the book's only say that there is something to do.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include <grpcpp/support/byte_buffer.h>

#include "agent/admitted_call.h"
#include "agent/attestation_pool.h"
#include "agent/svid_book.h"
#include "agent/workload_messages.h"
#include "crypto/digest.h"

namespace lodekey::agent {

// Sends what the caller is to have whenever that changes, each time after a look at the caller. At
// most one message is on its way; of those that come meanwhile the newest is kept.
class WorkloadStream final : public AdmittedCall,
                             public std::enable_shared_from_this<WorkloadStream> {
 public:
  struct Kind {
    SvidBook::Need need;
    WorkloadMessage format;
  };

  // Lives until gRPC is done with it. Pool and book outlive it.
  static WorkloadStream* Start(grpc::CallbackServerContext& context, AttestationPool& pool,
                               SvidBook& book, Admission admission, Kind kind);

 private:
  WorkloadStream(grpc::CallbackServerContext& context, AttestationPool& pool, SvidBook& book,
                 Admission admission, Kind kind)
      : AdmittedCall(context, std::move(admission)), pool_(pool), book_(book), kind_(kind) {}

  // Requests for streams have no fields.
  void Begin(grpc::ByteBuffer&) override { Attest(); }
  void OnWriteDone(bool ok) override;
  void OnDone() override;

  void Attest();
  void Subscribe(Result<Attested> attested);
  // Entries came to ask for the digest of the executable since: it may match more than it did.
  void AttestAgain();
  void Deliver(const Result<Identities>& latest);
  // Has the caller looked at, if there is something to send and nothing on its way.
  void Confirm();
  void Send(const Result<void>& unchanged);
  void Write(const Identities& identities);
  void End(const Error& error) override;

  AttestationPool& pool_;
  SvidBook& book_;
  const Kind kind_;

  bool with_digest_ = false;  // the last attestation; of the one thread that attests or sends

  std::mutex mutex_;
  std::shared_ptr<WorkloadStream> self_;  // until gRPC is done
  std::unique_ptr<SvidBook::Watcher> watcher_;
  std::optional<Result<Identities>> latest_;  // to be sent
  bool confirming_ = false;
  bool writing_ = false;
  bool ended_ = false;
  grpc::ByteBuffer message_;                  // on its way
  std::optional<crypto::Sha256Digest> sent_;  // of the last message: a secret is not kept for it
};

}  // namespace lodekey::agent
