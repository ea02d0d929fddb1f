#include "issuer/commit_queue.h"

#include <algorithm>
#include <future>
#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace lodekey::issuer {
namespace {

// Runs nothing: answers each change with the number of its batch, and counts.
class Recorder {
 public:
  CommitQueue::RunBatch AsRunBatch() {
    return [this](const std::vector<QueuedChange>& batch) {
      if (sizes_.empty()) gate_.get_future().wait();
      sizes_.push_back(batch.size());
      for (const QueuedChange& queued : batch) queued.done(crypto::ChainHead{.seq = sizes_.size()});
    };
  }
  // The first batch waits for this, so that a test decides what waits behind it.
  void OpenGate() { gate_.set_value(); }
  const std::vector<size_t>& sizes() const { return sizes_; }  // after the queue is destroyed

 private:
  std::promise<void> gate_;
  std::vector<size_t> sizes_;
};

Result<void> Nothing(Transaction&) { return {}; }

// Pushes a change that writes its number into `order`.
void PushNumbered(CommitQueue& queue, std::vector<int>& order, int number) {
  queue.Push({.change = Nothing, .done = [&order, number](const Result<crypto::ChainHead>& head) {
                EXPECT_TRUE(head);
                order.push_back(number);
              }});
}

TEST(CommitQueue, RunsEverythingInOrderBeforeItEnds) {
  Recorder recorder;
  std::vector<int> order;
  {
    CommitQueue queue(recorder.AsRunBatch());
    for (int i = 0; i < 1000; ++i) PushNumbered(queue, order, i);
    recorder.OpenGate();
  }
  ASSERT_EQ(order.size(), 1000U);
  EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST(CommitQueue, PutsWhatWaitsIntoBatchesOfAtMostTheirSize) {
  Recorder recorder;
  std::vector<int> order;
  {
    CommitQueue queue(recorder.AsRunBatch());
    for (int i = 0; i < 2000; ++i) PushNumbered(queue, order, i);
    recorder.OpenGate();
  }
  // What the first batch took depends on when the thread woke; the rest waited together.
  const auto& sizes = recorder.sizes();
  ASSERT_GE(sizes.size(), 4U);
  EXPECT_LE(sizes.size(), 6U);
  for (size_t i = 1; i + 1 < sizes.size(); ++i) EXPECT_EQ(sizes[i], CommitQueue::kMaxBatch);
  EXPECT_LE(*std::ranges::max_element(sizes), CommitQueue::kMaxBatch);
}

TEST(CommitQueue, RefusesAtOnceWhenItIsFull) {
  Recorder recorder;
  std::vector<int> order;
  std::optional<Result<crypto::ChainHead>> refused;
  std::thread::id refused_on;
  {
    CommitQueue queue(recorder.AsRunBatch());
    // The first batch holds some of them; it cannot hold more than one batch.
    const size_t enough = CommitQueue::kCapacity + CommitQueue::kMaxBatch + 1;
    for (size_t i = 0; i < enough && !refused; ++i) {
      queue.Push({.change = Nothing, .done = [&](Result<crypto::ChainHead> head) {
                    if (head) return;
                    refused = std::move(head);
                    refused_on = std::this_thread::get_id();
                  }});
    }
    recorder.OpenGate();
  }
  ASSERT_TRUE(refused);
  const Error& error = refused.value().error();
  EXPECT_EQ(error.Name(), "store-busy");
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_EQ(refused_on, std::this_thread::get_id());
}

TEST(CommitQueue, TakesAChangeFromWithinDone) {
  Recorder recorder;
  recorder.OpenGate();
  std::promise<Result<crypto::ChainHead>> second;
  CommitQueue queue(recorder.AsRunBatch());
  queue.Push({.change = Nothing, .done = [&](const Result<crypto::ChainHead>&) {
                queue.Push({.change = Nothing, .done = [&](Result<crypto::ChainHead> head) {
                              second.set_value(std::move(head));
                            }});
              }});
  const auto head = second.get_future().get();
  ASSERT_TRUE(head);
  EXPECT_EQ(head->seq, 2U);
}

TEST(CommitQueue, EndsThoughEachChangeIsFollowedByAnother) {
  Recorder recorder;
  recorder.OpenGate();
  std::string refusal;
  CommitQueue* pushed_to = nullptr;
  Done again = [&](const Result<crypto::ChainHead>& head) {
    if (head) {
      pushed_to->Push({.change = Nothing, .done = again});
    } else {
      refusal = head.error().Name();
    }
  };
  {
    CommitQueue queue(recorder.AsRunBatch());
    pushed_to = &queue;
    queue.Push({.change = Nothing, .done = again});
  }
  EXPECT_EQ(refusal, "store-closed");
}

}  // namespace
}  // namespace lodekey::issuer
