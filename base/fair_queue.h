// Work of many users, one piece of each in turn, so that nobody waits behind all that another asked
// for.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <utility>

namespace lodekey {

// Not thread-safe. A `User` is a key of a map: a uid, the id of a node.
template <class User>
class FairQueue {
 public:
  using Work = std::move_only_function<void()>;

  // At most `share` pieces of one user are out at once.
  explicit FairQueue(size_t share) : share_(share) {}

  void Push(const User& user, Work work) {
    users_[user].waiting.push_back(std::move(work));
    ++waiting_;
    TakePlace(user);
  }

  // Whether Take has something to give.
  bool ready() const { return !turns_.empty(); }
  // Of all users, and of one.
  size_t waiting() const { return waiting_; }
  size_t waiting(const User& user) const {
    const auto its = users_.find(user);
    return its == users_.end() ? 0 : its->second.waiting.size();
  }

  // Only when ready. Each piece is given back with Done.
  std::pair<User, Work> Take() {
    User user = std::move(turns_.front());
    turns_.pop_front();
    Place& its = users_[user];
    its.in_line = false;
    Work work = std::move(its.waiting.front());
    its.waiting.pop_front();
    --waiting_;
    ++its.out;
    TakePlace(user);
    return {std::move(user), std::move(work)};
  }

  void Done(const User& user) {
    --users_[user].out;
    TakePlace(user);
  }

 private:
  struct Place {
    std::deque<Work> waiting;
    size_t out = 0;
    bool in_line = false;
  };

  void TakePlace(const User& user) {
    Place& its = users_[user];
    if (!its.waiting.empty() && its.out < share_ && !its.in_line) {
      its.in_line = true;
      turns_.push_back(user);
    }
    if (its.waiting.empty() && its.out == 0) users_.erase(user);
  }

  const size_t share_;
  size_t waiting_ = 0;
  std::map<User, Place> users_;
  std::deque<User> turns_;
};

}  // namespace lodekey
