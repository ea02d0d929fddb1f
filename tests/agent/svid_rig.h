// What tests of the agent's side towards the issuer begin with: a book, tokens, an issuer that
// answers from a table, and clocks that stand until they are set.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agent/jwt_svids.h"
#include "agent/schedule.h"
#include "agent/svid_book.h"
#include "tests/agent/fake_issuer.h"

namespace lodekey::test {

class SvidRig : public testing::Test {
 protected:
  using EntryPtr = agent::EntryPtr;

  static EntryPtr Entry(const std::string& id, int uid, uint64_t revision = 1) {
    return std::make_shared<const attest::Entry>(FakeIssuer::EntryOf(id, uid, revision));
  }
  static attest::Entry Prefetched(const std::string& id, int uid) {
    attest::Entry entry = FakeIssuer::EntryOf(id, uid);
    entry.prefetch = true;
    return entry;
  }
  // As if the issuer had sent them.
  void Set(const std::vector<attest::Entry>& entries) {
    auto set = agent::ReadEntrySet(issuer_.Message(entries), "example.org");
    ASSERT_TRUE(set) << set.error().text;
    book_.SetEntries(*std::move(set));
  }
  // Asks for X.509-SVIDs until the test ends; `told` has the ids of the entries ("a,b") or the name
  // of an error, as last told.
  void Watch(int uid, std::string& told) {
    watchers_.push_back(book_.Watch(HeldBy(uid), agent::SvidBook::Need::kX509Svids,
                                    [&told](const Result<agent::Identities>& identities) {
                                      told = identities ? IdsOf(identities->svids)
                                                        : std::string(identities.error().Name());
                                    }));
  }
  template <class Held>
  static std::string IdsOf(const std::vector<Held>& held) {
    std::string ids;
    for (const Held& one : held) ids += (ids.empty() ? "" : ",") + one.entry->id;
    return ids;
  }
  void Pass(Duration duration) {
    now_ += duration;
    uptime_ += duration;
  }
  // Of whom a process of this user would be told it is.
  std::string Now(int uid) {
    std::string told = "nothing";
    const auto watcher = book_.Watch(HeldBy(uid), agent::SvidBook::Need::kX509Svids,
                                     [&told](const Result<agent::Identities>& identities) {
                                       told = identities ? IdsOf(identities->svids)
                                                         : std::string(identities.error().Name());
                                     });
    return told;
  }

  Time now_ = Time(Duration(1'800'000'000'000));
  Duration uptime_ = std::chrono::seconds(100);
  FakeIssuer issuer_{[this] { return now_; }};
  agent::SvidBook book_{{.now = [this] { return now_; },
                         .uptime = [this] { return uptime_; },
                         .random = [] { return uint32_t{0}; }}};
  agent::JwtSvids tokens_{book_,
                          {.now = [this] { return now_; }, .uptime = [this] { return uptime_; }}};
  const agent::Retries retries_{.first = std::chrono::seconds(2),
                                .max = std::chrono::minutes(5),
                                .uptime = [this] { return uptime_; },
                                .random = [] { return uint32_t{0}; }};
  std::vector<std::unique_ptr<agent::SvidBook::Watcher>> watchers_;
};

inline Error Unreachable() {
  return {.code = Code::kUnavailable, .text = "no answer", .name = "issuer-unreachable"};
}
inline Error Refusal(const std::string& name) {
  return {.code = Code::kDenied, .text = "the issuer refuses the node", .name = name};
}

}  // namespace lodekey::test
