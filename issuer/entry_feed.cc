#include "issuer/entry_feed.h"

#include <algorithm>

#include "base/guarded.h"
#include "issuer/entry_set.h"
#include "issuer/next_step.h"
#include "issuer/peer_node.h"
#include "platform/log.h"

namespace lodekey::issuer {
namespace {

constexpr size_t kPage = 256;
// How late an entry's end may be noticed, and how soon the store is asked again.
constexpr Duration kTick = std::chrono::seconds(1);

Error Superseded() {
  return {.code = Code::kConflict,
          .text = "the node watches its entries on a newer stream",
          .name = "watch-superseded",
          .advice = "If two agents run on this host, stop one of them."};
}

Error TooMany() {
  return {.code = Code::kUnavailable,
          .text = "earlier streams of the node are not over",
          .name = "too-many-watches",
          .advice = "The agent connects again by itself."};
}

Error Stopping() {
  return {.code = Code::kUnavailable,
          .text = "the issuer stops",
          .name = "issuer-stopping",
          .advice = "The agent connects again by itself."};
}

}  // namespace

bool EntryFeed::News::empty() const {
  return joined.empty() && left.empty() && entries.empty() && !any_entry && nodes.empty() &&
         !bundle && !stop;
}

void EntryFeed::News::Merge(News&& earlier) {
  std::ranges::move(joined, std::back_inserter(earlier.joined));
  std::ranges::move(left, std::back_inserter(earlier.left));
  joined = std::move(earlier.joined);
  left = std::move(earlier.left);
  entries.merge(earlier.entries);
  nodes.merge(earlier.nodes);
  any_entry |= earlier.any_entry;
  bundle |= earlier.bundle;
  stop |= earlier.stop;
}

EntryFeed::EntryFeed(Context& context) : context_(context), looked_(context.now()) {
  news_.any_entry = true;
  thread_ = std::thread([this] { Work(); });
}

EntryFeed::~EntryFeed() { Stop(); }

void EntryFeed::Tell(const std::function<void(News&)>& add) {
  {
    const std::scoped_lock lock(mutex_);
    add(news_);
  }
  told_.notify_one();
}

void EntryFeed::Watch(const NodeId& node, std::shared_ptr<EntryWatcher> watcher) {
  std::optional<Error> refused;
  Tell([&](News& news) {
    if (++open_[node] > kMaxStreams) refused = TooMany();
    if (stopped_) refused = Stopping();
    if (!refused) news.joined.emplace_back(node, watcher);
  });
  if (refused) watcher->End(*refused);
}

void EntryFeed::Leave(const NodeId& node, const EntryWatcher* watcher) {
  {
    const std::scoped_lock lock(mutex_);
    if (const auto open = open_.find(node); open != open_.end() && --open->second == 0)
      open_.erase(open);
    news_.left.emplace_back(node, watcher);
  }
  left_.notify_all();
  told_.notify_one();
}

void EntryFeed::EntriesChanged(const std::vector<std::string>& ids) {
  Tell([&](News& news) {
    news.entries.insert(ids.begin(), ids.end());
    news.any_entry |= ids.empty();
  });
}

void EntryFeed::NodeChanged(const NodeId& node) {
  Tell([&](News& news) { news.nodes.insert(node); });
}

void EntryFeed::BundleChanged() {
  Tell([](News& news) { news.bundle = true; });
}

void EntryFeed::AwaitEnd(const NodeId& node, Duration limit) {
  NodeChanged(node);
  std::unique_lock lock(mutex_);
  left_.wait_for(lock, limit, [&] { return !open_.contains(node); });
}

void EntryFeed::Stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    news_.stop = true;
  }
  told_.notify_one();
  if (thread_.joinable()) thread_.join();
}

EntryFeed::News EntryFeed::AwaitNews() {
  const bool ticks = index_.AnyEndsAfter(looked_);
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return !news_.empty(); };
  // After a failure the rest is among the news, and waits a little.
  if (std::exchange(retry_, false))
    told_.wait_for(lock, kTick, [this] { return news_.stop; });
  else if (ticks)
    told_.wait_for(lock, kTick, ready);
  else
    told_.wait(lock, ready);
  return std::exchange(news_, {});
}

void EntryFeed::Work() {
  for (;;) {
    News news = AwaitNews();
    if (news.stop) {
      for (auto& [node, watcher] : news.joined) watcher->End(Stopping());
      return EndAll();
    }
    const auto handled = Guarded("the feed of entries", [&] { return Handle(news); });
    if (handled) continue;
    platform::LogEvent(platform::LogLevel::kError, "nodes cannot be told of their entries",
                       {{"reason", handled.error().text}, {"advice", handled.error().advice}});
    const std::scoped_lock lock(mutex_);
    news_.Merge(std::move(news));
    retry_ = true;
  }
}

Result<void> EntryFeed::Handle(News& news) {
  for (const auto& [node, watcher] : std::exchange(news.left, {})) {
    const auto found = watched_.find(node);
    if (found != watched_.end() && found->second.watcher.get() == watcher) Forget(node);
  }
  RETURN_IF_ERROR(ReadEntries(news), "entries");
  news.entries.clear();
  news.any_entry = false;
  for (auto& [node, watcher] : std::exchange(news.joined, {})) {
    Join(node, std::move(watcher));
    news.nodes.insert(node);
  }
  while (!news.nodes.empty()) {
    RETURN_IF_ERROR(ReadNode(*news.nodes.begin()), "node");
    news.nodes.erase(news.nodes.begin());
  }
  if (std::exchange(news.bundle, false)) ConcernAll();
  NoteEnds();
  PushConcerned();
  return {};
}

Result<void> EntryFeed::ReadEntries(const News& news) {
  if (news.any_entry) return ReadAllEntries();
  if (news.entries.empty()) return {};
  return context_.store.Read([&](View& view) -> Result<void> {
    for (const std::string& id : news.entries) {
      ASSIGN_OR_RETURN(auto entry, view.FindEntry(id), "read an entry");
      Concern(index_.Find(id));
      if (entry) {
        index_.Put(*std::move(entry));
        Concern(index_.Find(id));
      } else {
        index_.Remove(id);
      }
    }
    return {};
  });
}

Result<void> EntryFeed::ReadAllEntries() {
  EntryIndex index;
  RETURN_IF_ERROR(context_.store.Read([&](View& view) -> Result<void> {
    for (std::string after;;) {
      ASSIGN_OR_RETURN(auto page, view.ListEntries(after, kPage), "list the entries");
      if (page.empty()) return {};
      after = page.back().id;
      for (attest::Entry& entry : page) index.Put(std::move(entry));
    }
  }),
                  "read all entries");
  index_ = std::move(index);
  ConcernAll();
  return {};
}

// Of a node that watches: what is stored by now, also for one that has just come. What it was when
// its call was proven may be over.
Result<void> EntryFeed::ReadNode(const NodeId& node) {
  const auto found = watched_.find(node);
  if (found == watched_.end()) return {};
  std::optional<NodeRecord> record;
  RETURN_IF_ERROR(context_.store.Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(record, view.FindNode(node), "find the node");
    return {};
  }),
                  "read a node");
  const auto identity = CheckIdentity(record.value_or(NodeRecord{.id = node}));
  if (!identity) {
    found->second.watcher->End(identity.error());
    Forget(node);
    return {};
  }
  SetLabels(node, std::move(record->labels));
  concerned_.insert(node);
  return {};
}

void EntryFeed::Join(const NodeId& node, Watcher watcher) {
  if (const auto earlier = watched_.find(node); earlier != watched_.end()) {
    earlier->second.watcher->End(Superseded());
    Forget(node);
  }
  watched_.emplace(node, Watched{.watcher = std::move(watcher), .labels = {}});
}

void EntryFeed::Forget(const NodeId& node) {
  SetLabels(node, {});
  watched_.erase(node);
  concerned_.erase(node);
}

void EntryFeed::SetLabels(const NodeId& node, attest::Labels labels) {
  Watched& watched = watched_.at(node);
  for (const auto& label : watched.labels) {
    const auto found = watched_by_label_.find(Label(label));
    if (found == watched_by_label_.end()) continue;
    found->second.erase(node);
    if (found->second.empty()) watched_by_label_.erase(found);
  }
  watched.labels = std::move(labels);
  for (const auto& label : watched.labels) watched_by_label_[Label(label)].insert(node);
}

void EntryFeed::Concern(const attest::Entry* entry) {
  if (entry == nullptr) return;
  for (const NodeId& node : entry->scope.nodes)
    if (watched_.contains(node)) concerned_.insert(node);
  // Those that have the rarest of its labels; which of them has all is seen as the set is made.
  const std::set<NodeId>* fewest = nullptr;
  for (const auto& label : entry->scope.labels) {
    const auto found = watched_by_label_.find(Label(label));
    if (found == watched_by_label_.end()) return;
    if (fewest == nullptr || found->second.size() < fewest->size()) fewest = &found->second;
  }
  if (fewest != nullptr) concerned_.insert(fewest->begin(), fewest->end());
}

void EntryFeed::ConcernAll() {
  for (const auto& [node, watched] : watched_) concerned_.insert(node);
}

// Also those that have not ended, after all, as a clock that ran ahead is set back.
void EntryFeed::NoteEnds() {
  const Time now = context_.now();
  for (const attest::Entry* entry :
       index_.EndedBetween(std::min(looked_, now), std::max(looked_, now)))
    Concern(entry);
  looked_ = now;
}

void EntryFeed::PushConcerned() {
  if (concerned_.empty()) return;
  const lodekey::node::v1::Bundle bundle = BundleOf(context_.authority);
  while (!concerned_.empty()) {
    const NodeId node = *concerned_.begin();
    Push(node, watched_.at(node), bundle);
    concerned_.erase(node);
  }
}

void EntryFeed::Push(const NodeId& node, Watched& watched,
                     const lodekey::node::v1::Bundle& bundle) {
  const NodeEntries entries =
      EntriesOf(index_.For(node, watched.labels), watched.labels, bundle, looked_);
  const std::string set = entries.set.SerializeAsString();
  const auto digest = crypto::Sha256(AsBytes(set));
  if (watched.pushed && watched.sent == digest) return;
  watched.pushed = true;
  watched.sent = digest;
  watched.watcher->Push(set);
  if (entries.left_out == 0) return;
  platform::LogEvent(platform::LogLevel::kError,
                     "a node has more entries than it can be told: the newest are left out",
                     {{"node", node},
                      {"left_out", std::to_string(entries.left_out)},
                      {"told", std::to_string(entries.set.entries_size())},
                      {"advice",
                       "Give entries a narrower node scope, or delete those that nobody "
                       "needs (lodekey entry list --node)."}});
}

void EntryFeed::EndAll() {
  for (const auto& [node, watched] : watched_) watched.watcher->End(Stopping());
  watched_.clear();
}

}  // namespace lodekey::issuer
