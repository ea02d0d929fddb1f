// The contract suite of issuer/store.h: one fixture, given by a factory. A new store is one line in
// store_test.cc.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "issuer/store.h"
#include "tests/issuer/store_fixture.h"
#include "tests/support/must.h"

namespace lodekey::issuer {

// An empty store and where its audit log is; gone with it.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual Store& store() = 0;
  virtual std::string log() const = 0;
};

struct StoreFactory {
  const char* name;
  // With so much room for decisions.
  std::function<std::unique_ptr<StoreUnderTest>(uint64_t decision_bytes)> make;
};

// All of them: what each suite of the contract is instantiated with.
const std::vector<StoreFactory>& Stores();
inline std::string StoreName(const ::testing::TestParamInfo<StoreFactory>& instance) {
  return instance.param.name;
}

class StoreTest : public ::testing::TestWithParam<StoreFactory> {
 protected:
  Store& store() { return made_->store(); }
  std::vector<crypto::ChainLine> Lines() { return test::VerifiedLines(made_->log()); }

  Result<crypto::ChainHead> Commit(Change change) {
    return store().CommitAndWait(std::move(change));
  }

  Result<crypto::ChainHead> Put(const NodeRecord& node) {
    return Commit([&](Transaction& transaction) { return transaction.PutNode(node); });
  }

  template <class T>
  T Read(const std::function<Result<T>(View&)>& read) {
    std::optional<T> value;
    test::Must(store().Read([&](View& view) -> Result<void> {
      value = test::Must(read(view));
      return {};
    }));
    return *std::move(value);
  }

  std::optional<NodeRecord> Find(const NodeId& id) {
    return Read<std::optional<NodeRecord>>([&](View& view) { return view.FindNode(id); });
  }
  std::optional<NodeRecord> FindByEk(const std::string& hash) {
    return Read<std::optional<NodeRecord>>([&](View& view) { return view.FindNodeByEk(hash); });
  }
  std::optional<CredentialRecord> FindCredential(unsigned number) {
    return Read<std::optional<CredentialRecord>>(
        [&](View& view) { return view.FindCredential(test::SampleCredential(number).serial); });
  }
  std::optional<attest::Entry> FindEntry(unsigned number) {
    return Read<std::optional<attest::Entry>>(
        [&](View& view) { return view.FindEntry(test::SampleEntryId(number)); });
  }
  std::vector<ReferencePcr> References(const std::string& group) {
    return Read<std::vector<ReferencePcr>>([&](View& view) { return view.ListReferences(group); });
  }

  void ExpectFails(Change change, Code code, std::string_view name) {
    const auto outcome = Commit(std::move(change));
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, code) << outcome.error().text;
    EXPECT_EQ(outcome.error().Name(), name) << outcome.error().text;
  }

  // Commits all of them in one batch: they wait behind one that does not end before they are
  // queued.
  std::vector<Result<crypto::ChainHead>> CommitTogether(const std::vector<Change>& changes) {
    std::promise<void> running;
    std::promise<void> go_on;
    store().Commit(
        [&, waited = false](Transaction&) mutable -> Result<void> {
          if (std::exchange(waited, true)) return {};
          running.set_value();
          go_on.get_future().wait();
          return {};
        },
        [](const Result<crypto::ChainHead>&) {});
    running.get_future().wait();
    std::vector<std::future<Result<crypto::ChainHead>>> futures;
    for (const Change& change : changes) {
      // Shared: the writer's thread may still be inside set_value when the waiter goes on.
      const auto promise = std::make_shared<std::promise<Result<crypto::ChainHead>>>();
      futures.push_back(promise->get_future());
      store().Commit(change, [promise](Result<crypto::ChainHead> head) {
        promise->set_value(std::move(head));
      });
    }
    go_on.set_value();
    std::vector<Result<crypto::ChainHead>> outcomes;
    for (auto& future : futures) outcomes.push_back(future.get());
    return outcomes;
  }

  // An empty store takes the place of the one there was.
  void MakeWithRoom(uint64_t decision_bytes) { made_ = GetParam().make(decision_bytes); }

  std::unique_ptr<StoreUnderTest> made_ = GetParam().make(uint64_t{1} << 30);
};

}  // namespace lodekey::issuer
