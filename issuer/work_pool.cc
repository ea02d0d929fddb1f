#include "issuer/work_pool.h"

#include <utility>

#include "base/guarded.h"

namespace lodekey::issuer {
namespace {

std::unexpected<Error> Stopping() {
  return Fail(Code::kUnavailable, "the issuer stops",
              {.name = "issuer-stopping", .advice = "It is tried again by itself."});
}

WorkPoolOptions Workable(WorkPoolOptions options) {
  options.threads = std::max(options.threads, kWorkKinds);
  return options;
}

FairQueue<std::string> NewQueue(const WorkPoolOptions& options) {
  return FairQueue<std::string>(std::max<size_t>(options.threads / 4, 1));
}

}  // namespace

WorkPool::WorkPool(WorkPoolOptions options)
    : options_(Workable(options)),
      lines_{Line{NewQueue(options_)}, Line{NewQueue(options_)}, Line{NewQueue(options_)}} {
  for (size_t i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { Run(); });
}

void WorkPool::Serve(const Call& call, Work work) {
  auto entered = Enter(call, work);
  if (!entered) work(std::move(entered));
}

void WorkPool::Stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

// Takes `work` when there is room for it.
Result<void> WorkPool::Enter(const Call& call, Work& work) {
  const std::scoped_lock lock(mutex_);
  RETURN_IF_ERROR(CheckRoom(call), "wait for a turn");
  Line& line = lines_[static_cast<size_t>(call.kind)];
  line.queue.Push(call.user, [this, &line, bytes = call.bytes, work = std::move(work)]() mutable {
    Result<void> turn;
    {
      const std::scoped_lock taken(mutex_);
      line.bytes -= bytes;
      if (stopping_) turn = Stopping();
    }
    work(std::move(turn));
  });
  line.bytes += call.bytes;
  wake_.notify_one();
  return {};
}

Result<void> WorkPool::CheckRoom(const Call& call) const {
  if (stopping_) return Stopping();
  const Line& line = lines_[static_cast<size_t>(call.kind)];
  const bool room = line.queue.waiting() < options_.waiting &&
                    line.queue.waiting(call.user) < options_.waiting_of_user &&
                    line.bytes + call.bytes <= options_.waiting_bytes;
  if (room) return {};
  return Fail(Code::kUnavailable, "too many calls wait already",
              {.name = std::string(kTooManyWaiting), .advice = "It is tried again by itself."});
}

// Those of its kind and of all behind it leave a thread to each kind before it.
bool WorkPool::MayTake(size_t kind) const {
  size_t out = 0;
  for (size_t i = kind; i < lines_.size(); ++i) out += lines_[i].out;
  return lines_[kind].queue.ready() && out + kind < options_.threads;
}

WorkPool::Line* WorkPool::NextLine() {
  for (size_t i = 0; i < lines_.size(); ++i) {
    const size_t kind = (next_ + i) % lines_.size();
    if (MayTake(kind)) return &lines_[kind];
  }
  return nullptr;
}

void WorkPool::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    Line* line = nullptr;
    wake_.wait(lock, [&] { return (line = NextLine()) != nullptr || stopping_; });
    if (line == nullptr) return;  // stopping, and whoever waits is another thread's to refuse
    next_ = static_cast<size_t>(line - lines_.data()) + 1;
    ++line->out;
    auto [user, work] = line->queue.Take();
    lock.unlock();
    // Who it was for answers for what it throws; what escapes must not end the thread.
    static_cast<void>(Guarded("a call", [&]() -> Result<void> {
      work();
      return {};
    }));
    work = nullptr;  // what it holds goes before the lock is taken again
    lock.lock();
    line->queue.Done(user);
    --line->out;
    if (NextLine() != nullptr) wake_.notify_one();
  }
}

}  // namespace lodekey::issuer
