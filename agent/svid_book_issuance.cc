// The book's side towards the issuer: what is to be issued, and what became of it.
#include <algorithm>
#include <utility>

#include "agent/schedule.h"
#include "agent/svid_book.h"

namespace lodekey::agent {
namespace {

// An issuer that answers with what has ended already is not asked again at once.
constexpr Duration kLeastRest = std::chrono::seconds(1);

// Whether an SVID that was issued for one may go on being served for the other.
bool SameIdentity(const attest::Entry& a, const attest::Entry& b) {
  return a.spiffe_id == b.spiffe_id && a.dns_names == b.dns_names && a.common_name == b.common_name;
}

}  // namespace

void SvidBook::SetEntries(EntrySet set) {
  const std::scoped_lock lock(mutex_);
  // The same bundle again is no news to those who watch it.
  if (set_ && set_->bundle->sequence == set.bundle->sequence &&
      set_->bundle->jwks == set.bundle->jwks && set_->bundle->roots == set.bundle->roots)
    set.bundle = set_->bundle;
  TurnPages(set);
  set_ = std::move(set);
  for (auto& [id, watching] : watching_) {
    if (watching.ended) continue;
    watching.entries = MatchLocked(watching.selectors);
    for (const EntryPtr& entry : watching.entries) {
      Page& page = pages_.at(entry->id);
      if (watching.need == Need::kX509Svids && page.selectors.empty())
        page.selectors = watching.selectors;
    }
    Refresh(watching);
  }
  Changed(/*wake=*/true);
}

void SvidBook::TurnPages(const EntrySet& set) {
  std::map<std::string, Page> pages;
  for (const EntryPtr& entry : set.entries) {
    Page page{.entry = entry};
    if (const auto before = pages_.find(entry->id); before != pages_.end()) {
      const EntryPtr earlier = before->second.entry;
      // The node's labels may change the identity and leave the revision.
      if (*earlier == *entry) {
        page = std::move(before->second);
        page.entry = entry;
      } else if (SameIdentity(*earlier, *entry)) {
        page.svid = std::move(before->second.svid);
        page.stale = page.svid != nullptr;
      }
    }
    pages.emplace(entry->id, std::move(page));
  }
  pages_ = std::move(pages);
}

void SvidBook::Withdraw(const Error& reason) {
  const std::scoped_lock lock(mutex_);
  set_.reset();
  pages_.clear();
  absent_ = reason;
  for (auto& [id, watching] : watching_) {
    if (!watching.ended) End(watching, reason);
  }
  Changed(/*wake=*/true);
}

void SvidBook::NoteProblem(const Error& reason) {
  const std::scoped_lock lock(mutex_);
  absent_ = reason;
}

SvidBook::Watched SvidBook::WatchedEntries() const {
  Watched watched;
  for (const auto& [id, watching] : watching_) {
    if (watching.need != Need::kX509Svids) continue;
    for (const EntryPtr& entry : watching.entries) watched.insert(entry.get());
  }
  return watched;
}

bool SvidBook::IsUsed(const Page& page, const Watched& watched) {
  return page.entry->prefetch || watched.contains(page.entry.get());
}

bool SvidBook::IsWanted(const Page& page, const Watched& watched) const {
  const Duration uptime = clock_.uptime();
  if (page.asked || uptime < page.retry || !IsUsed(page, watched)) return false;
  const bool due = !IsUsable(page) || page.stale || uptime >= page.renew;
  return due && !attest::HasExpired(*page.entry, clock_.now());
}

std::vector<SvidBook::Wanted> SvidBook::TakeWanted(size_t limit) {
  const std::scoped_lock lock(mutex_);
  std::vector<Page*> pages;
  const Watched watched = WatchedEntries();
  for (auto& [id, page] : pages_) {
    if (IsWanted(page, watched)) pages.push_back(&page);
  }
  std::ranges::stable_partition(pages, [&](const Page* page) { return !IsUsable(*page); });
  if (pages.size() > limit) pages.resize(limit);
  std::vector<Wanted> wanted;
  wanted.reserve(pages.size());
  for (Page* page : pages) {
    page->asked = true;
    wanted.push_back({.entry = page->entry, .selectors = page->selectors});
  }
  return wanted;
}

SvidBook::Page* SvidBook::FindPage(const Wanted& wanted) {
  const auto page = pages_.find(wanted.entry->id);
  if (page == pages_.end() || *page->second.entry != *wanted.entry) return nullptr;
  page->second.asked = false;
  return &page->second;
}

void SvidBook::Hold(Page& page, std::shared_ptr<const X509Svid> svid) {
  const Duration uptime = clock_.uptime();
  const Time half = svid->not_after - (svid->not_after - svid->not_before) / 2;
  const Duration left = std::max(half - clock_.now(), Duration(0));
  page.renew = uptime + Jittered(left, clock_.random());
  page.retry = uptime + kLeastRest;
  page.svid = std::move(svid);
  page.stale = false;
  page.problem.reset();
}

void SvidBook::Put(const Wanted& wanted, X509Svid svid) {
  const std::scoped_lock lock(mutex_);
  Page* page = FindPage(wanted);
  if (page == nullptr) return;
  Hold(*page, std::make_shared<const X509Svid>(std::move(svid)));
  RefreshThoseOf(page->entry);
  Changed(/*wake=*/false);
}

void SvidBook::Fail(const Wanted& wanted, const Error& error, Duration again_in) {
  const std::scoped_lock lock(mutex_);
  Page* page = FindPage(wanted);
  if (page == nullptr) return;
  page->problem = error;
  page->retry = clock_.uptime() + again_in;
  if (error.code == Code::kDenied) page->svid.reset();
  RefreshThoseOf(page->entry);
  Changed(/*wake=*/false);
}

Duration SvidBook::Tick() {
  const std::scoped_lock lock(mutex_);
  const bool entry_ended = DropWhatEnded();
  Duration rest = RestOfPages();
  for (auto& [id, watching] : watching_) {
    if (watching.ended) continue;
    if (entry_ended) watching.entries = MatchLocked(watching.selectors);
    Refresh(watching);
    if (!watching.waits) continue;
    const Duration left = *watching.waits + kPatience - clock_.uptime();
    if (left <= Duration(0))
      Refresh(watching, Patience::kLost);
    else
      rest = std::min(rest, left);
  }
  return rest;
}

bool SvidBook::DropWhatEnded() {
  const Time now = clock_.now();
  bool entry_ended = false;
  for (auto& [id, page] : pages_) {
    if (page.svid && now >= page.svid->not_after) {
      page.svid.reset();
      ++version_;
    }
    if (!page.ended && attest::HasExpired(*page.entry, now)) entry_ended = page.ended = true;
  }
  return entry_ended;
}

Duration SvidBook::RestOfPages() const {
  const Duration uptime = clock_.uptime();
  const Time now = clock_.now();
  const Watched watched = WatchedEntries();
  Duration rest = kLongestRest;
  const auto within = [&](Duration left) { rest = std::clamp(left, Duration(0), rest); };
  for (const auto& [id, page] : pages_) {
    if (page.svid) within(page.svid->not_after - now);
    if (!page.asked && !page.ended && IsUsed(page, watched))
      within(std::max(page.retry, IsUsable(page) ? page.renew : Duration(0)) - uptime);
  }
  return rest;
}

void SvidBook::OnWanted(std::function<void()> wake) {
  const std::scoped_lock lock(mutex_);
  wake_ = std::move(wake);
}

void SvidBook::Changed(bool wake) {
  ++version_;
  if (wake && wake_) wake_();
}

std::optional<SvidBook::Kept> SvidBook::Keep() const {
  const std::scoped_lock lock(mutex_);
  if (!set_) return std::nullopt;
  Kept kept{.set = *set_, .svids = {}};
  for (const auto& [id, page] : pages_) {
    if (IsUsable(page) && !page.stale)
      kept.svids.push_back({.entry = page.entry, .svid = page.svid});
  }
  return kept;
}

void SvidBook::Restore(Kept kept) {
  const std::scoped_lock lock(mutex_);
  TurnPages(kept.set);
  set_ = std::move(kept.set);
  for (HeldSvid& held : kept.svids) {
    const auto page = pages_.find(held.entry->id);
    const bool ended = clock_.now() >= held.svid->not_after;
    if (page != pages_.end() && !ended) Hold(page->second, std::move(held.svid));
  }
  Changed(/*wake=*/true);
}

uint64_t SvidBook::version() const {
  const std::scoped_lock lock(mutex_);
  return version_;
}

}  // namespace lodekey::agent
