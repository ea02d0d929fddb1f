// JWT-SVIDs for workloads: issued when somebody asks, and kept while they are young. Like the book
// of X.509-SVIDs it asks nobody itself: whoever renews (agent/svid_renewal) takes what is wanted
// from here and puts what was issued back.
#pragma once

#include <compare>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/svid_book.h"
#include "attest/token_purpose.h"
#include "base/result.h"
#include "base/time.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::agent {

// One token of a workload.
struct HeldJwt {
  EntryPtr entry;  // has SPIFFE ID and hint
  std::string token = {};
  Time end = {};
};

// Thread-safe. Tokens never leave the process but by Fetch. Users (by uid) take turns at the issuer
// and share the room, so that the many audiences of one are nobody else's loss.
class JwtSvids {
 public:
  // Tokens; of the user who has most, the one longest unused goes first.
  static constexpr size_t kMaxKept = 1024;
  // Of one user: tokens on their way, beyond which it may ask for no more; how many new ones at
  // once, and one more after each rest. That is half of the calls that the issuer takes of a node.
  static constexpr size_t kMaxOpen = 64;
  static constexpr size_t kBurst = 100;
  static constexpr Duration kRest = std::chrono::milliseconds(100);

  struct Clock {
    std::function<Time()> now;         // judges validity: the issuer's time
    std::function<Duration()> uptime;  // measures patience
  };
  JwtSvids(SvidBook& book, Clock clock);
  JwtSvids(const JwtSvids&) = delete;
  JwtSvids& operator=(const JwtSvids&) = delete;

  // --- for workloads -----------------------------------------------------------------------------

  // The oldest entry's first, never empty. Errors:
  // - kDenied: "no-identity" (no entry matches, or none of them has the SPIFFE ID),
  //   "audience-not-allowed", or why the issuer refuses the identity or the node;
  // - kUnavailable: "too-many-requests" of this user; what keeps this host from it for the moment.
  using Reply = std::function<void(Result<std::vector<HeldJwt>>)>;

  // A token for `purpose` (attest::Canonical: for all its audiences together), for each entry that
  // matches and allows them, or for that of `spiffe_id` alone where one is named. `reply` is called
  // once, on any thread or before this returns; it must not block.
  void Fetch(Selectors selectors, attest::TokenPurpose purpose, std::string spiffe_id, Reply reply);
  // Whether what was fetched for a process may be given out still: entries come and go. Errors are
  // those of Fetch.
  Result<void> Check(const Selectors& selectors, const std::vector<HeldJwt>& fetched) const;

  // --- for the issuer's side ---------------------------------------------------------------------

  struct Wanted {
    EntryPtr entry;
    Selectors selectors;  // of who asked first
    attest::TokenPurpose purpose;
  };
  // Tokens that somebody waits for: at most `limit`, one of each user in turn. Each is left out
  // from then on until it is put, failed or put off.
  std::vector<Wanted> TakeWanted(size_t limit);
  bool HasWanted() const;
  void Put(const Wanted& wanted, const lodekey::node::v1::IssuedJwt& issued);
  // Unless it is denied or the entry was changed, a token that was kept and has not ended is given
  // out in its place.
  void Fail(const Wanted& wanted, const Error& error);
  // It is wanted again, while whoever asked has patience (SvidBook::kPatience); then told `why`.
  void PutOff(const Wanted& wanted, const Error& why);

  // What is kept is dropped, whoever waits is told.
  void Withdraw(const Error& reason);
  // Asks the book again for those whose entries were not known; tells those who have lost patience.
  // Returns how long nothing needs to be done.
  Duration Tick();
  // Called without a lock whenever something came to be wanted.
  void OnWanted(std::function<void()> wake);

 private:
  // Which token: another revision of the entry is another token, and so is the same one after the
  // node's labels have made another identity of it.
  struct Key {
    std::string entry_id;
    uint64_t revision;
    std::string spiffe_id;
    attest::TokenPurpose purpose;
    auto operator<=>(const Key&) const = default;
  };
  struct Token {
    std::string text;
    Time half;  // of its life: from then on another is asked for
    Time end;
  };
  struct Kept {
    Token token;
    std::string user;  // who asked for it
    std::list<Key>::iterator use;
  };
  // What one user has of it.
  struct User {
    std::list<Key> uses = {};  // of what is kept: the latest first
    size_t open = 0;           // jobs
    Duration debt_until = {};  // uptime
  };
  // Somebody who waits.
  struct Ask {
    Selectors selectors;
    attest::TokenPurpose purpose;
    std::string spiffe_id;
    Reply reply;
    Duration since = {};                // uptime
    std::vector<HeldJwt> given = {};    // one for each entry; the token is empty until it is there
    std::optional<Error> problem = {};  // of the first that is refused
    size_t missing = 0;
  };
  // A token on its way, for all who asked for it.
  struct Job {
    Wanted wanted;
    std::string user;  // who asked first
    Duration since;    // uptime
    bool taken = false;
    std::vector<std::shared_ptr<Ask>> asks = {};
    std::optional<Error> problem = {};  // why it was put off
  };
  // What is to be told once the lock is free.
  using Told = std::vector<std::function<void()>>;

  Result<std::vector<EntryPtr>> EntriesFor(const Ask& ask) const;
  static Key KeyOf(const attest::Entry& entry, const attest::TokenPurpose& purpose) {
    return {.entry_id = entry.id,
            .revision = entry.revision,
            .spiffe_id = entry.spiffe_id,
            .purpose = purpose};
  }
  // Answers it, or makes it wait for the book or for the issuer. True when something came to be
  // wanted.
  bool Begin(const std::shared_ptr<Ask>& ask, Told& told);
  // Puts in what is kept; true when that is all.
  bool GiveKept(Ask& ask, Time Token::* until);
  // Whether the user may have another job; then it has `jobs` more.
  Result<void> Charge(const std::string& name, size_t jobs);
  void AddJobs(const std::shared_ptr<Ask>& ask, const std::string& user);
  void Settle(const Key& key, const Result<Token>& token, Told& told);
  // As Fail.
  void GiveUp(const Key& key, const Error& error, Told& told);
  static void Finish(const std::shared_ptr<Ask>& ask, Told& told);
  // Whether the book has all of them for the process as they are: not deleted, not changed.
  Result<void> CheckEntries(const Selectors& selectors, const std::vector<EntryPtr>& entries) const;
  Kept* FindKept(const Key& key);
  void Keep(const Key& key, Token token, const std::string& user);
  std::map<Key, Kept>::iterator Drop(std::map<Key, Kept>::iterator kept);

  SvidBook& book_;
  const Clock clock_;
  mutable std::mutex mutex_;
  std::map<Key, Kept> kept_;
  std::map<Key, Job> jobs_;
  std::map<std::string, User> users_;          // by uid
  std::string turn_;                           // the user whose token was taken last
  std::list<std::shared_ptr<Ask>> unmatched_;  // the book has no entries yet
  std::function<void()> wake_;
};

}  // namespace lodekey::agent
