// Work of many users, one piece of each in turn, so that nobody waits behind all that another asked
// for.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <sys/types.h>
#include <utility>

namespace lodekey::agent {

// Not thread-safe.
class FairQueue {
 public:
  using Work = std::function<void()>;

  // At most `share` pieces of one user are out at once.
  explicit FairQueue(size_t share) : share_(share) {}

  void Push(uid_t user, Work work) {
    users_[user].waiting.push_back(std::move(work));
    ++waiting_;
    TakePlace(user);
  }

  // Whether Take has something to give.
  bool ready() const { return !turns_.empty(); }
  size_t waiting() const { return waiting_; }

  // Only when ready. Each piece is given back with Done.
  std::pair<uid_t, Work> Take() {
    const uid_t user = turns_.front();
    turns_.pop_front();
    User& its = users_[user];
    its.in_line = false;
    Work work = std::move(its.waiting.front());
    its.waiting.pop_front();
    --waiting_;
    ++its.out;
    TakePlace(user);
    return {user, std::move(work)};
  }

  void Done(uid_t user) {
    --users_[user].out;
    TakePlace(user);
  }

 private:
  struct User {
    std::deque<Work> waiting;
    size_t out = 0;
    bool in_line = false;
  };

  void TakePlace(uid_t user) {
    User& its = users_[user];
    if (!its.waiting.empty() && its.out < share_ && !its.in_line) {
      its.in_line = true;
      turns_.push_back(user);
    }
    if (its.waiting.empty() && its.out == 0) users_.erase(user);
  }

  const size_t share_;
  size_t waiting_ = 0;
  std::map<uid_t, User> users_;
  std::deque<uid_t> turns_;
};

}  // namespace lodekey::agent
