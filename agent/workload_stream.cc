#include "agent/workload_stream.h"

#include <utility>

#include <grpcpp/support/slice.h>

#include "agent/caller_errors.h"
#include "agent/grpc_refusal.h"
#include "base/guarded.h"
#include "crypto/secret.h"

namespace lodekey::agent {
namespace {

// gRPC writes from the very bytes (it copies slices of this kind nowhere), and they are wiped when
// it has.
grpc::ByteBuffer WipedAfterUse(Bytes bytes) {
  auto* owned = new Bytes(std::move(bytes));
  const grpc::Slice slice(
      owned->data(), owned->size(),
      [](void* message) {
        auto* sent = static_cast<Bytes*>(message);
        crypto::WipeBytes(*sent);
        delete sent;
      },
      owned);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

WorkloadStream* WorkloadStream::Start(grpc::CallbackServerContext& context, AttestationPool& pool,
                                      SvidBook& book, Admission admission, Kind kind) {
  const std::shared_ptr<WorkloadStream> stream(
      new WorkloadStream(context, pool, book, std::move(admission), kind));
  stream->self_ = stream;
  stream->AwaitRequest();
  return stream.get();
}

void WorkloadStream::Attest() {
  with_digest_ = book_.WantsDigest();
  pool_.Attest(admission_.caller, {.executable_digest = with_digest_},
               [self = shared_from_this()](Result<Attested> attested) {
                 self->Subscribe(std::move(attested));
               });
}

void WorkloadStream::AttestAgain() {
  std::unique_ptr<SvidBook::Watcher> watcher;
  {
    const std::scoped_lock lock(mutex_);
    watcher.swap(watcher_);
  }
  watcher.reset();
  {
    const std::scoped_lock lock(mutex_);
    latest_.reset();
    confirming_ = false;
  }
  Attest();
}

void WorkloadStream::Subscribe(Result<Attested> attested) {
  admission_.pending.reset();
  if (!attested) return End(attested.error());
  auto watcher = book_.Watch(std::move(attested->selectors), kind_.need,
                             [this](const Result<Identities>& latest) { Deliver(latest); });
  const std::scoped_lock lock(mutex_);
  // Otherwise gRPC is done with the call already, and the watcher goes before whoever called us
  // lets this stream go.
  if (self_) watcher_ = std::move(watcher);
}

void WorkloadStream::Deliver(const Result<Identities>& latest) {
  {
    const std::scoped_lock lock(mutex_);
    if (ended_) return;
    latest_ = latest;
  }
  Confirm();
}

void WorkloadStream::Confirm() {
  std::shared_ptr<WorkloadStream> self;
  {
    const std::scoped_lock lock(mutex_);
    if (ended_ || confirming_ || !latest_) return;
    // A client that does not read gets nothing more; that it is over it is told behind what it has
    // not read.
    if (writing_ && latest_->has_value()) return;
    confirming_ = true;
    self = self_;
  }
  pool_.Confirm(admission_.caller,
                [self](const Result<void>& unchanged) { self->Send(unchanged); });
}

void WorkloadStream::Send(const Result<void>& unchanged) {
  std::optional<Result<Identities>> latest;
  {
    const std::scoped_lock lock(mutex_);
    latest.swap(latest_);
  }
  if (!unchanged) return End(unchanged.error());
  if (!with_digest_ && book_.WantsDigest()) return AttestAgain();
  if (!latest) return;  // ended meanwhile
  if (!*latest) return End(latest->error());
  const auto written = Guarded("a message", [&]() -> Result<void> {
    Write(**latest);
    return {};
  });
  if (!written) return End(written.error());
  {
    const std::scoped_lock lock(mutex_);
    confirming_ = false;
  }
  Confirm();
}

void WorkloadStream::Write(const Identities& identities) {
  Bytes bytes = kind_.format(identities);
  const auto digest = crypto::Sha256(bytes);
  grpc::ByteBuffer message = WipedAfterUse(std::move(bytes));
  const std::scoped_lock lock(mutex_);
  if (ended_ || sent_ == digest) return;
  sent_ = digest;
  writing_ = true;
  message_.Swap(&message);
  StartWrite(&message_);
}

void WorkloadStream::OnWriteDone(bool ok) {
  {
    const std::scoped_lock lock(mutex_);
    writing_ = false;
    message_.Clear();
  }
  if (!ok) return End(CallerGone());
  Confirm();
}

void WorkloadStream::End(const Error& error) {
  {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(ended_, true)) return;
    latest_.reset();
  }
  Finish(Refuse(context_, error));
}

void WorkloadStream::OnDone() {
  std::unique_ptr<SvidBook::Watcher> watcher;
  std::shared_ptr<WorkloadStream> self;
  {
    const std::scoped_lock lock(mutex_);
    watcher.swap(watcher_);
    self.swap(self_);
  }
  watcher.reset();  // no call of Deliver any more; then this may go
}

}  // namespace lodekey::agent
