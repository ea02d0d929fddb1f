// Serves the calls of nodes on threads of the issuer's own: gRPC's must not wait for policies, and
// nobody's calls for those of another.
#pragma once

#include <algorithm>
#include <array>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fair_queue.h"
#include "base/result.h"

namespace lodekey::issuer {

// What a call is refused by that would wait behind too many others. Not logged, as all of its kind.
inline constexpr std::string_view kTooManyWaiting = "too-many-waiting";

// What calls are for; what nodes live by comes first. Each kind leaves a thread to every one that
// stands before it.
enum class WorkKind : uint8_t { kAttestation, kEnrolment, kIssuance };
inline constexpr size_t kWorkKinds = 3;

struct WorkPoolOptions {
  // At least one for each kind. Half of what they do is waiting for policies.
  size_t threads = std::clamp<size_t>(size_t{2} * std::thread::hardware_concurrency(), 4, 32);
  // Of each kind, how many calls may wait, and how much their requests may have together.
  size_t waiting = 4096;
  size_t waiting_bytes = size_t{64} << 20;
  size_t waiting_of_user = 32;
};

// Thread-safe. The users of a kind take turns, and none has more than a quarter of the threads.
class WorkPool {
 public:
  struct Call {
    WorkKind kind = WorkKind::kIssuance;
    std::string user;  // a node; of strangers, their source
    size_t bytes = 0;  // of the request, which waits with it
  };
  using Work = std::move_only_function<void(Result<void>)>;

  explicit WorkPool(WorkPoolOptions options = {});
  ~WorkPool() { Stop(); }
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // Calls `work` once: without an error on a thread of the pool, or with why it is not to be done,
  // kUnavailable: at once ("too-many-waiting"), or when the pool stops ("issuer-stopping").
  void Serve(const Call& call, Work work);

  // Ends what is under way and refuses whoever waits or comes later.
  void Stop();

 private:
  struct Line {
    FairQueue<std::string> queue;
    size_t bytes = 0;  // that wait
    size_t out = 0;
  };

  Result<void> Enter(const Call& call, Work& work);
  Result<void> CheckRoom(const Call& call) const;
  void Run();
  // Whose work may be taken, by turns; nullptr: nobody's.
  Line* NextLine();
  bool MayTake(size_t kind) const;

  const WorkPoolOptions options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::array<Line, kWorkKinds> lines_;  // by WorkKind
  size_t next_ = 0;                     // whose turn it is
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace lodekey::issuer
