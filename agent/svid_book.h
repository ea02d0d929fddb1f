// What this host holds for its workloads, which of it each is to get, and who waits for it. It asks
// nobody and reads no clock of its own: whoever renews (agent/svid_renewal) takes what is wanted
// from here and puts what was issued back.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "agent/entry_set.h"
#include "agent/x509_svid.h"
#include "attest/entry.h"
#include "base/result.h"
#include "base/time.h"

namespace lodekey::agent {

using Selectors = std::vector<attest::GradedSelector>;

// One identity of a workload.
struct HeldSvid {
  EntryPtr entry;  // has the hint
  std::shared_ptr<const X509Svid> svid;
};

// What a workload gets at one moment.
struct Identities {
  std::vector<HeldSvid> svids;  // the oldest entry's first; empty for who wants the bundle alone
  std::shared_ptr<const TrustBundle> bundle;
};

// An entry, and how far a process is from it.
struct EntryDistance {
  EntryPtr entry;
  std::vector<attest::Selector> missing;  // empty: it matches
  std::shared_ptr<const X509Svid> svid;   // held for it; null: none
  std::optional<Error> problem;           // why none is held
};

// Thread-safe.
class SvidBook {
 public:
  // How long a caller waits for entries and identities that are on their way before it is told why
  // they are not there.
  static constexpr Duration kPatience = std::chrono::seconds(5);

  // `now` judges validity (the issuer's time), `uptime` measures patience; `random` is uniform over
  // 32 bits and spreads renewals.
  struct Clock {
    std::function<Time()> now;
    std::function<Duration()> uptime;
    std::function<uint32_t()> random;
  };
  explicit SvidBook(Clock clock);
  SvidBook(const SvidBook&) = delete;
  SvidBook& operator=(const SvidBook&) = delete;

  // --- for workloads ---------------------------------------------------------------------------

  enum class Need { kX509Svids, kBundle };

  // Called under the book's lock, so it must not block and not call the book: once when all that is
  // to be had is there, and again whole after each change of it. An error is the last call:
  // - kDenied: "no-identity" (no entry matches), or why the issuer refuses the identity or the
  // node;
  // - kUnavailable: what keeps this host from it for the moment.
  using Deliver = std::function<void(const Result<Identities>&)>;

  // Ends the subscription on destruction; when it returns, `deliver` is not called any more. Not to
  // be destroyed from within `deliver`. Must not outlive the book.
  class Watcher {
   public:
    ~Watcher();
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

   private:
    friend class SvidBook;
    Watcher(SvidBook& book, uint64_t id) : book_(book), id_(id) {}
    SvidBook& book_;
    uint64_t id_;
  };
  // `deliver` may be called before it returns.
  std::unique_ptr<Watcher> Watch(Selectors selectors, Need need, Deliver deliver);

  // The entries that a process matches, the oldest first; one for each SPIFFE ID and hint. Errors
  // as for Deliver.
  Result<std::vector<EntryPtr>> Match(const Selectors& selectors) const;
  // Null while the issuer has not sent any.
  std::shared_ptr<const TrustBundle> bundle() const;
  // Whether an entry asks for the digest of the executable.
  bool WantsDigest() const;

  // --- for people --------------------------------------------------------------------------------

  // Those that match, then those that miss least. Empty while there are none.
  std::vector<EntryDistance> Explain(const Selectors& selectors) const;
  std::vector<lodekey::node::v1::UnusableEntry> unusable() const;
  // Why this host gives out nothing; nullopt: it does.
  std::optional<Error> problem() const;

  // --- for the issuer's side ---------------------------------------------------------------------

  // The node's entries from now on. An SVID stays while its entry says the same identity; one whose
  // entry was changed is issued again.
  void SetEntries(EntrySet set);
  // This host has no identity to give out: what is held is dropped, whoever waits is told. kDenied
  // when the issuer refuses the host.
  void Withdraw(const Error& reason);
  // The entries are not known yet, or not any more; what is held stays. Told to whoever loses
  // patience.
  void NoteProblem(const Error& reason);

  // An SVID that is to be issued.
  struct Wanted {
    EntryPtr entry;
    Selectors selectors;  // of who asked for it last; empty: ahead of the first ask
  };
  // Those that somebody waits for, that are prefetched, or that have lived half their life: at most
  // `limit`, those first that are not held. Each is left out from then on until it is put or
  // failed.
  std::vector<Wanted> TakeWanted(size_t limit);
  // One that its entry does not ask for any more is dropped.
  void Put(const Wanted& wanted, X509Svid svid);
  // It is wanted again after `again_in`. kDenied takes away what is held for the entry; anything
  // else leaves it.
  void Fail(const Wanted& wanted, const Error& error, Duration again_in);

  // Tells those who have lost patience, and drops what has ended. Returns how long nothing needs to
  // be done, at most a minute: then call TakeWanted and Tick again, or when OnWanted is called.
  Duration Tick();
  // Called under the book's lock whenever something came to be wanted.
  void OnWanted(std::function<void()> wake);

  // For the restart within a boot: what is held, and back. Restore is for a fresh book.
  struct Kept {
    EntrySet set;
    std::vector<HeldSvid> svids;
  };
  std::optional<Kept> Keep() const;  // nullopt: nothing to be kept
  void Restore(Kept kept);
  // Rises with each change of what Keep returns.
  uint64_t version() const;

 private:
  struct Watching {
    Selectors selectors;
    Need need;
    Deliver deliver;
    std::vector<EntryPtr> entries = {};   // that it matches
    std::optional<Duration> waits = {};   // uptime since when
    std::optional<Identities> last = {};  // as delivered
    bool ended = false;
  };
  // What is known of one entry.
  struct Page {
    EntryPtr entry;
    std::shared_ptr<const X509Svid> svid = {};
    Duration renew = {};       // uptime at which the SVID has lived half its life
    Duration retry = {};       // uptime before which it is not asked for again
    bool asked = false;        // taken, and not put or failed yet
    bool stale = false;        // the SVID is of an earlier form of the entry
    bool ended = false;        // the entry's time is over, and its watchers know
    Selectors selectors = {};  // of who asked last
    std::optional<Error> problem = {};
  };
  enum class Patience { kWaiting, kLost };

  std::vector<EntryPtr> MatchLocked(const Selectors& selectors) const;
  bool IsUsable(const Page& page) const;
  // Entries whose SVIDs somebody waits for or has.
  using Watched = std::unordered_set<const attest::Entry*>;
  Watched WatchedEntries() const;
  static bool IsUsed(const Page& page, const Watched& watched);
  bool IsWanted(const Page& page, const Watched& watched) const;
  // SVIDs, and entries; true when one of those ended.
  bool DropWhatEnded();
  Duration RestOfPages() const;
  // What it is to get now; nullopt: not all is there yet.
  std::optional<Result<Identities>> AnswerTo(const Watching& watching, Patience patience) const;
  void Refresh(Watching& watching, Patience patience = Patience::kWaiting);
  void RefreshThoseOf(const EntryPtr& entry);
  void End(Watching& watching, const Error& error);
  Page* FindPage(const Wanted& wanted);
  void TurnPages(const EntrySet& set);
  void Hold(Page& page, std::shared_ptr<const X509Svid> svid);
  void Changed(bool wake);
  void Forget(uint64_t id);

  const Clock clock_;
  mutable std::mutex mutex_;
  std::optional<EntrySet> set_;
  Error absent_;                       // why there is no set
  std::map<std::string, Page> pages_;  // by entry id
  std::map<uint64_t, Watching> watching_;
  uint64_t next_id_ = 1;
  uint64_t version_ = 0;
  std::function<void()> wake_;
};

}  // namespace lodekey::agent
