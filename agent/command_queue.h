// What the local API asks of the agent's loop: done in order between two of its steps, and answered
// each exactly once, whatever happens to the caller or to the agent.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "agent/caller_errors.h"
#include "base/result.h"
#include "base/time.h"

namespace lodekey::agent {

// Who asked. Neither function may block.
template <class T>
struct Caller {
  std::function<void(Result<T>)> reply;  // called once, on any thread
  std::function<bool()> gone;            // nobody waits for the reply any more
};

// Thread-safe.
class CommandQueue {
 public:
  // How many callers may wait for the loop; the one that is served does not count.
  static constexpr size_t kMaxWaiting = 32;

  // `work` is done by the loop, unless the caller has gone before its turn. kUnavailable:
  // "agent-busy" when too many wait, "agent-stopping" after Stop.
  template <class T>
  void Push(Caller<T> caller, std::function<Result<T>()> work);

  // For the agent's own parts, which ask for nothing in return: done with the others, however many
  // wait, and dropped after Stop.
  void Post(std::function<void()> work);

  // For the loop: what to run next; nullopt when nothing is asked within `wait`, or after Stop.
  std::optional<std::function<void()>> Next(Duration wait);

  // Whoever waits is refused at once, and whoever comes later.
  void Stop();
  bool stopped() const;

 private:
  struct Command {
    std::function<void()> run;
    std::function<void(const Error&)> refuse;
    std::function<bool()> gone;
  };

  void Add(Command command);
  // Takes the commands that nobody waits for out of the queue.
  std::deque<Command> TakeGone();

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Command> commands_;
  bool stopped_ = false;
};

template <class T>
void CommandQueue::Push(Caller<T> caller, std::function<Result<T>()> work) {
  Add({.run =
           [caller, work = std::move(work)] {
             caller.reply(caller.gone() ? Result<T>(std::unexpected(CallerGone())) : work());
           },
       .refuse = [caller](const Error& error) { caller.reply(std::unexpected(error)); },
       .gone = caller.gone});
}

}  // namespace lodekey::agent
