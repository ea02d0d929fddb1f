// A store whose commits can be kept back and let go in a chosen order, or made to fail: what a test
// of two requests at once needs instead of luck.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "issuer/store.h"

namespace lodekey::test {

// Not thread-safe while holding.
class HeldStore final : public issuer::Store {
 public:
  explicit HeldStore(issuer::Store& inner) : inner_(inner) {}

  Result<void> Read(const std::function<Result<void>(issuer::View&)>& read) override {
    if (const auto before = std::exchange(before_read_, {})) before();
    if (!fail_reads_) return inner_.Read(read);
    ++failed_reads_;
    return lodekey::Fail(Code::kUnavailable, "the store cannot be read",
                         {.name = "store-unavailable"});
  }

  void Commit(issuer::Change change, issuer::Done done) override {
    if (failure_) return done(std::unexpected(*failure_));
    if (const auto between = std::exchange(between_, {})) between();
    if (!holding_) return inner_.Commit(std::move(change), std::move(done));
    held_.emplace_back(std::move(change), std::move(done));
  }

  // Once, when the next commit is asked for: what somebody else does before it.
  void Between(std::function<void()> act) { between_ = std::move(act); }
  // Once, when something is read next.
  void BeforeRead(std::function<void()> act) { before_read_ = std::move(act); }
  // From now on commits wait.
  void Hold() { holding_ = true; }
  // Lets them go, in the order in which they came.
  void Release() {
    holding_ = false;
    for (auto& [change, done] : std::exchange(held_, {}))
      inner_.Commit(std::move(change), std::move(done));
  }
  // From now on every commit fails with this error; with none they work again.
  void Fail(std::optional<Error> error) { failure_ = std::move(error); }

  // From now on reads fail, or work again. Thread-safe.
  void FailReads(bool fail) { fail_reads_ = fail; }
  int failed_reads() const { return failed_reads_; }

 private:
  issuer::Store& inner_;
  std::atomic<bool> fail_reads_ = false;
  std::atomic<int> failed_reads_ = 0;
  bool holding_ = false;
  std::vector<std::pair<issuer::Change, issuer::Done>> held_;
  std::optional<Error> failure_;
  std::function<void()> between_;
  std::function<void()> before_read_;
};

}  // namespace lodekey::test
