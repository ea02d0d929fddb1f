#include "agent/svid_book.h"

#include <algorithm>
#include <utility>

namespace lodekey::agent {
namespace {

Error Unheard() {
  return {.code = Code::kUnavailable,
          .text = "the issuer has not told this host its entries yet",
          .name = "entries-unknown",
          .advice = "See what keeps it: lodekey status"};
}

Error NoIdentity() {
  return {.code = Code::kDenied,
          .text = "no entry of this host matches the calling process",
          .name = "no-identity",
          .advice = "See what is missing: lodekey explain --pid PID"};
}

// One of each SPIFFE ID, and of each hint (Workload API, 5.2.1): the oldest.
bool Repeats(const std::vector<EntryPtr>& chosen, const attest::Entry& entry) {
  return std::ranges::any_of(chosen, [&](const EntryPtr& other) {
    return other->spiffe_id == entry.spiffe_id ||
           (!entry.hint.empty() && other->hint == entry.hint);
  });
}

bool SameSvid(const HeldSvid& a, const HeldSvid& b) {
  return a.svid == b.svid && a.entry->hint == b.entry->hint;
}

}  // namespace

SvidBook::SvidBook(Clock clock) : clock_(std::move(clock)), absent_(Unheard()) {}

SvidBook::Watcher::~Watcher() { book_.Forget(id_); }

void SvidBook::Forget(uint64_t id) {
  const std::scoped_lock lock(mutex_);
  watching_.erase(id);
}

std::unique_ptr<SvidBook::Watcher> SvidBook::Watch(Selectors selectors, Need need,
                                                   Deliver deliver) {
  const std::scoped_lock lock(mutex_);
  const uint64_t id = next_id_++;
  Watching& watching = watching_
                           .emplace(id, Watching{.selectors = std::move(selectors),
                                                 .need = need,
                                                 .deliver = std::move(deliver)})
                           .first->second;
  watching.entries = MatchLocked(watching.selectors);
  for (const EntryPtr& entry : watching.entries) {
    if (need == Need::kX509Svids) pages_.at(entry->id).selectors = watching.selectors;
  }
  Refresh(watching);
  if (!watching.ended && wake_) wake_();
  return std::unique_ptr<Watcher>(new Watcher(*this, id));
}

std::vector<EntryPtr> SvidBook::MatchLocked(const Selectors& selectors) const {
  std::vector<EntryPtr> matches;
  if (!set_) return matches;
  for (const EntryPtr& entry : set_->entries) {
    const bool usable = attest::MissingSelectors(*entry, selectors).empty() &&
                        !attest::HasExpired(*entry, clock_.now());
    if (usable && !Repeats(matches, *entry)) matches.push_back(entry);
  }
  return matches;
}

Result<std::vector<EntryPtr>> SvidBook::Match(const Selectors& selectors) const {
  const std::scoped_lock lock(mutex_);
  if (!set_) return std::unexpected(absent_);
  auto matches = MatchLocked(selectors);
  if (matches.empty()) return std::unexpected(NoIdentity());
  return matches;
}

std::shared_ptr<const TrustBundle> SvidBook::bundle() const {
  const std::scoped_lock lock(mutex_);
  return set_ ? set_->bundle : nullptr;
}

bool SvidBook::WantsDigest() const {
  const std::scoped_lock lock(mutex_);
  return set_ && std::ranges::any_of(set_->entries, [](const EntryPtr& entry) {
           return std::ranges::any_of(entry->selectors, [](const attest::Selector& selector) {
             return selector.name == "sha256";
           });
         });
}

bool SvidBook::IsUsable(const Page& page) const {
  return page.svid && clock_.now() < page.svid->not_after;
}

std::optional<Result<Identities>> SvidBook::AnswerTo(const Watching& watching,
                                                     Patience patience) const {
  const bool lost = patience == Patience::kLost;
  if (!set_) {
    if (!lost && absent_.code != Code::kDenied) return std::nullopt;
    return std::unexpected(absent_);
  }
  if (watching.entries.empty()) return std::unexpected(NoIdentity());
  Identities identities{.svids = {}, .bundle = set_->bundle};
  if (watching.need == Need::kBundle) return identities;
  bool pending = false;
  std::optional<Error> problem;
  for (const EntryPtr& entry : watching.entries) {
    const Page& page = pages_.at(entry->id);
    // A denial holds until the issuer may be asked again.
    const bool denied =
        page.problem && page.problem->code == Code::kDenied && clock_.uptime() < page.retry;
    if (IsUsable(page))
      identities.svids.push_back({.entry = entry, .svid = page.svid});
    else if (!denied)
      pending = true;
    if (page.problem && !problem) problem = page.problem;
  }
  // Whoever has some is not kept waiting for more, but the first answer is whole.
  const bool waits = pending && (identities.svids.empty() || !watching.last);
  if (waits && !lost) return std::nullopt;
  if (!identities.svids.empty()) return identities;
  return std::unexpected(problem.value_or(Unheard()));
}

void SvidBook::Refresh(Watching& watching, Patience patience) {
  if (watching.ended) return;
  auto answer = AnswerTo(watching, patience);
  if (!answer) {
    if (!watching.waits) watching.waits = clock_.uptime();
    return;
  }
  watching.waits.reset();
  if (!*answer) return End(watching, answer->error());
  const Identities& now = **answer;
  if (watching.last && std::ranges::equal(watching.last->svids, now.svids, SameSvid)) {
    const TrustBundle& before = *watching.last->bundle;
    const bool same_bundle = watching.need == Need::kBundle ? now.bundle == watching.last->bundle
                                                            : now.bundle->roots == before.roots;
    if (same_bundle) return;
  }
  watching.last = now;
  watching.deliver(now);
}

void SvidBook::RefreshThoseOf(const EntryPtr& entry) {
  for (auto& [id, watching] : watching_) {
    if (std::ranges::find(watching.entries, entry) != watching.entries.end()) Refresh(watching);
  }
}

void SvidBook::End(Watching& watching, const Error& error) {
  watching.ended = true;
  watching.entries.clear();
  watching.deliver(std::unexpected(error));
}

// --- for people --------------------------------------------------------------------------------

std::vector<EntryDistance> SvidBook::Explain(const Selectors& selectors) const {
  const std::scoped_lock lock(mutex_);
  std::vector<EntryDistance> distances;
  if (!set_) return distances;
  for (const EntryPtr& entry : set_->entries) {
    const Page& page = pages_.at(entry->id);
    distances.push_back({.entry = entry,
                         .missing = attest::MissingSelectors(*entry, selectors),
                         .svid = IsUsable(page) ? page.svid : nullptr,
                         .problem = page.problem});
  }
  std::ranges::stable_sort(distances, {},
                           [](const EntryDistance& distance) { return distance.missing.size(); });
  return distances;
}

std::vector<lodekey::node::v1::UnusableEntry> SvidBook::unusable() const {
  const std::scoped_lock lock(mutex_);
  return set_ ? set_->unusable : std::vector<lodekey::node::v1::UnusableEntry>();
}

std::optional<Error> SvidBook::problem() const {
  const std::scoped_lock lock(mutex_);
  if (set_) return std::nullopt;
  return absent_;
}

}  // namespace lodekey::agent
