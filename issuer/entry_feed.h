// Who hears of a change: for each node that watches, the set that is its own, at once and whole
// again whenever it is another. One thread does the work; nobody who changes something waits for
// it.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "crypto/digest.h"
#include "issuer/context.h"
#include "issuer/entry_index.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::issuer {

// A node's stream. Called from the feed's thread, one call at a time.
class EntryWatcher {
 public:
  virtual ~EntryWatcher() = default;
  // The node's whole set, a serialised lodekey.node.v1.EntrySet. Only the newest has to arrive.
  virtual void Push(const std::string& set) = 0;
  // Nothing follows, for this reason.
  virtual void End(const Error& reason) = 0;
};

// Thread-safe. A node has one watcher.
class EntryFeed {
 public:
  // Streams of one node that are not over. One is enough; others are about to end, unless the node
  // does not read what it has been sent.
  static constexpr int kMaxStreams = 4;

  explicit EntryFeed(Context& context);
  ~EntryFeed();  // as Stop
  EntryFeed(const EntryFeed&) = delete;
  EntryFeed& operator=(const EntryFeed&) = delete;

  // The set follows at once. An earlier watcher of the node is ended with "watch-superseded", and
  // this one, as soon as the node has no identity, with CheckIdentity's reason. Beyond kMaxStreams
  // it is ended with "too-many-watches".
  void Watch(const NodeId& node, std::shared_ptr<EntryWatcher> watcher);
  // The stream is over; each watcher says so once, also when it was ended.
  void Leave(const NodeId& node, const EntryWatcher* watcher);

  // To be told once the change is durable. Without `ids` any entry may have changed.
  void EntriesChanged(const std::vector<std::string>& ids = {});
  // Labels or standing.
  void NodeChanged(const NodeId& node);
  void BundleChanged();

  // Waits, at most `limit`, until a node that has lost its standing has no stream any more: it is
  // to learn why before its connection is shut.
  void AwaitEnd(const NodeId& node, Duration limit);

  // Ends all watchers with "issuer-stopping"; those that come later, too.
  void Stop();

 private:
  using Watcher = std::shared_ptr<EntryWatcher>;
  // What happened since the thread looked last.
  struct News {
    std::vector<std::pair<NodeId, Watcher>> joined = {};
    std::vector<std::pair<NodeId, const EntryWatcher*>> left = {};
    std::set<std::string> entries = {};
    bool any_entry = false;
    std::set<NodeId> nodes = {};
    bool bundle = false;
    bool stop = false;

    bool empty() const;
    // Again, behind what has happened since.
    void Merge(News&& earlier);
  };
  struct Watched {
    Watcher watcher;
    attest::Labels labels;
    crypto::Sha256Digest sent = {};  // of the set that was pushed last
    bool pushed = false;
  };

  void Tell(const std::function<void(News&)>& add);
  void Work();
  News AwaitNews();
  // A failure leaves the rest to be done again.
  Result<void> Handle(News& news);
  Result<void> ReadEntries(const News& news);
  Result<void> ReadAllEntries();
  Result<void> ReadNode(const NodeId& node);
  void Join(const NodeId& node, Watcher watcher);
  void Forget(const NodeId& node);
  void SetLabels(const NodeId& node, attest::Labels labels);
  // The nodes that may have the entry in their sets are looked at again.
  void Concern(const attest::Entry* entry);
  void ConcernAll();
  void NoteEnds();
  void PushConcerned();
  void Push(const NodeId& node, Watched& watched, const lodekey::node::v1::Bundle& bundle);
  void EndAll();

  Context& context_;

  // The thread's own.
  EntryIndex index_;
  std::unordered_map<NodeId, Watched> watched_;
  std::map<Label, std::set<NodeId>> watched_by_label_;
  std::set<NodeId> concerned_;
  Time looked_;  // when what has ended was looked for

  std::mutex mutex_;
  std::condition_variable told_;
  std::condition_variable left_;
  News news_;                             // guarded by mutex_
  std::unordered_map<NodeId, int> open_;  // streams that have not left; guarded by mutex_
  bool stopped_ = false;                  // guarded by mutex_
  bool retry_ = false;                    // guarded by mutex_
  std::thread thread_;                    // last: it uses the others
};

}  // namespace lodekey::issuer
