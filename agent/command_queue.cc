#include "agent/command_queue.h"

#include <algorithm>

#include <fmt/format.h>

namespace lodekey::agent {
namespace {

Error Busy() {
  return {.code = Code::kUnavailable,
          .text = fmt::format("{} callers wait for lodekeyd already", CommandQueue::kMaxWaiting),
          .name = "agent-busy",
          .advice =
              "It is at its TPM or waits for its issuer: see 'lodekey status', and try again "
              "when it has answered them."};
}

}  // namespace

void CommandQueue::Add(Command command) {
  // Replies are given without the lock: they are others' code.
  std::deque<Command> gone;
  std::optional<Error> refusal;
  {
    const std::scoped_lock lock(mutex_);
    if (commands_.size() >= kMaxWaiting) gone = TakeGone();
    if (stopped_) {
      refusal = Stopping();
    } else if (commands_.size() >= kMaxWaiting) {
      refusal = Busy();
    } else {
      commands_.push_back(command);
      wake_.notify_one();
    }
  }
  for (const Command& left : gone) left.refuse(CallerGone());
  if (refusal) command.refuse(*refusal);
}

void CommandQueue::Post(std::function<void()> work) {
  const std::scoped_lock lock(mutex_);
  if (stopped_) return;
  commands_.push_back(
      {.run = std::move(work), .refuse = [](const Error&) {}, .gone = [] { return false; }});
  wake_.notify_one();
}

std::deque<CommandQueue::Command> CommandQueue::TakeGone() {
  const auto first_gone = std::ranges::stable_partition(
      commands_, [](const Command& command) { return !command.gone(); });
  std::deque<Command> gone(std::make_move_iterator(first_gone.begin()),
                           std::make_move_iterator(first_gone.end()));
  commands_.erase(first_gone.begin(), first_gone.end());
  return gone;
}

std::optional<std::function<void()>> CommandQueue::Next(Duration wait) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, wait, [&] { return stopped_ || !commands_.empty(); });
  if (commands_.empty()) return std::nullopt;
  auto run = std::move(commands_.front().run);
  commands_.pop_front();
  return run;
}

void CommandQueue::Stop() {
  std::deque<Command> waiting;
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    waiting.swap(commands_);
    wake_.notify_all();
  }
  for (const Command& command : waiting) command.refuse(Stopping());
}

bool CommandQueue::stopped() const {
  const std::scoped_lock lock(mutex_);
  return stopped_;
}

}  // namespace lodekey::agent
