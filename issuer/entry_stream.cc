#include "issuer/entry_stream.h"

#include <mutex>
#include <optional>
#include <utility>

#include "issuer/grpc_error.h"

namespace lodekey::issuer {
namespace {

// A node that does not read costs two sets: the one that is under way, and the newest. gRPC's calls
// are made under the lock: it reports what comes of them on other threads.
class EntryStream final : public EntryReactor, public EntryWatcher {
 public:
  EntryStream(grpc::CallbackServerContext* context, EntryFeed& feed, NodeId node)
      : context_(context), feed_(feed), node_(std::move(node)) {}

  void Begin(const std::shared_ptr<EntryStream>& self) {
    self_ = self;
    feed_.Watch(node_, self);
  }

  void Push(const std::string& set) override {
    const std::scoped_lock lock(mutex_);
    if (over_ || last_) return;
    const grpc::Slice slice(set);
    next_ = grpc::ByteBuffer(&slice, 1);
    WriteNext();
  }

  // Behind the set that is under way: its node hears the reason once it has read that.
  void End(const Error& reason) override {
    const std::scoped_lock lock(mutex_);
    if (over_ || last_) return;
    next_.reset();
    last_ = ToGrpcStatus(*context_, reason, Audience::kNode, "WatchEntries");
    if (!writing_) Close(*last_);
  }

  void OnWriteDone(bool ok) override {
    const std::scoped_lock lock(mutex_);
    writing_ = false;
    if (over_) return;
    if (!ok || cancelled_) return Close(grpc::Status::CANCELLED);
    if (last_) return Close(*last_);
    WriteNext();
  }

  void OnCancel() override {
    const std::scoped_lock lock(mutex_);
    cancelled_ = true;
    if (!over_ && !writing_) Close(grpc::Status::CANCELLED);
  }

  void OnDone() override {
    feed_.Leave(node_, this);
    // Unless the feed still has it, this is the end of `this`.
    const auto self = std::exchange(self_, nullptr);
  }

 private:
  void WriteNext() {
    if (writing_ || !next_) return;
    writing_ = true;
    current_ = *std::exchange(next_, std::nullopt);
    StartWrite(&current_);
  }
  void Close(const grpc::Status& status) {
    over_ = true;
    next_.reset();
    Finish(status);
  }

  grpc::CallbackServerContext* const context_;
  EntryFeed& feed_;
  const NodeId node_;
  std::shared_ptr<EntryStream> self_;  // until gRPC is done with it
  std::mutex mutex_;
  grpc::ByteBuffer current_;              // under way
  std::optional<grpc::ByteBuffer> next_;  // guarded by mutex_, as all below
  std::optional<grpc::Status> last_;      // what the stream ends with, once it is to
  bool writing_ = false;
  bool cancelled_ = false;
  bool over_ = false;
};

class Refusal final : public EntryReactor {
 public:
  explicit Refusal(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

EntryReactor* StreamEntries(grpc::CallbackServerContext* context, EntryFeed& feed,
                            const NodeId& node) {
  const auto stream = std::make_shared<EntryStream>(context, feed, node);
  stream->Begin(stream);
  return stream.get();
}

EntryReactor* RefuseStream(const grpc::Status& status) { return new Refusal(status); }

}  // namespace lodekey::issuer
