// What tests of the book of SVIDs begin with: a book, whoever issues to it, and clocks that stand
// until they are set.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "agent/svid_book.h"

namespace lodekey::agent {

inline const Time kBegin(Duration(1'800'000'000'000));

inline attest::Selector Uid(int uid) {
  return {.type = "unix", .name = "uid", .value = std::to_string(uid)};
}
inline Selectors HeldBy(int uid) { return {{.selector = Uid(uid)}}; }

// What a subscription was told, in short: "a,b" for SVIDs of these entries, "bundle 2" for a bundle
// alone, or the name of an error.
struct Told {
  std::vector<std::string> texts = {};
  std::vector<Identities> identities = {};
  std::string last() const { return texts.empty() ? "nothing" : texts.back(); }
};

class SvidBookTest : public testing::Test {
 protected:
  static EntryPtr MakeEntry(const std::string& id, int uid, uint64_t revision = 1) {
    return std::make_shared<const attest::Entry>(
        attest::Entry{.id = id,
                      .revision = revision,
                      .spiffe_id = "spiffe://example.org/" + id,
                      .selectors = {Uid(uid)}});
  }
  static EntryPtr With(const EntryPtr& entry, const std::function<void(attest::Entry&)>& change) {
    attest::Entry changed = *entry;
    change(changed);
    return std::make_shared<const attest::Entry>(std::move(changed));
  }

  void Set(std::vector<EntryPtr> entries, uint64_t sequence = 1,
           const std::string& roots = "root") {
    auto bundle = std::make_shared<TrustBundle>();
    bundle->trust_domain = "example.org";
    bundle->sequence = sequence;
    bundle->roots = roots;
    book_.SetEntries({.entries = std::move(entries), .unusable = {}, .bundle = std::move(bundle)});
  }

  std::unique_ptr<SvidBook::Watcher> Watch(Told& told, Selectors selectors,
                                           SvidBook::Need need = SvidBook::Need::kX509Svids) {
    return book_.Watch(std::move(selectors), need, [&told](const Result<Identities>& answer) {
      if (!answer) return told.texts.emplace_back(answer.error().Name()), void();
      std::string text;
      for (const HeldSvid& held : answer->svids) text += (text.empty() ? "" : ",") + held.entry->id;
      told.texts.push_back(text.empty() ? "bundle " + std::to_string(answer->bundle->sequence)
                                        : text);
      told.identities.push_back(*answer);
    });
  }

  X509Svid Svid(const EntryPtr& entry, Duration life = std::chrono::minutes(60)) const {
    return {.spiffe_id = entry->spiffe_id,
            .chain = entry->id,
            .key = {},
            .not_before = now_,
            .not_after = now_ + life};
  }
  // As renewal does; the ids of what was wanted.
  std::string IssueWanted(Duration life = std::chrono::minutes(60)) {
    std::string ids;
    for (const auto& wanted : book_.TakeWanted(64)) {
      ids += (ids.empty() ? "" : ",") + wanted.entry->id;
      book_.Put(wanted, Svid(wanted.entry, life));
    }
    return ids;
  }
  void Pass(Duration duration) {
    now_ += duration;
    uptime_ += duration;
  }

  Time now_ = kBegin;
  Duration uptime_ = std::chrono::seconds(100);
  SvidBook book_{{.now = [this] { return now_; },
                  .uptime = [this] { return uptime_; },
                  .random = [] { return uint32_t{0}; }}};
};

}  // namespace lodekey::agent
