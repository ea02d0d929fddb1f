#include "agent/jwt_svids.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace lodekey::agent {
namespace {

// The first of the audiences that the entry does not allow; null: it allows all.
const std::string* FirstRefused(const attest::Entry& entry,
                                const std::vector<std::string>& audiences) {
  const auto refused = std::ranges::find_if(audiences, [&](const std::string& audience) {
    return !attest::AllowsAudience(entry, audience);
  });
  return refused == audiences.end() ? nullptr : &*refused;
}

Error Changed() {
  return {.code = Code::kUnavailable,
          .text = "the entry was changed while its token was on its way",
          .name = "entry-changed",
          .advice = "Ask again."};
}

Error Ended() {
  return {.code = Code::kUnavailable,
          .text = "the token ended before it could be sent",
          .name = "svid-ended",
          .advice = "Ask again."};
}

Error TooMany() {
  return {
      .code = Code::kUnavailable,
      .text = "the user asks for more new JWT-SVIDs than it may at once",
      .name = "too-many-requests",
      .advice = "Ask again in a few seconds, and for fewer different audiences, scopes and tasks."};
}

// Whom it is accounted to; all whose uid is not known are one.
std::string UserOf(const Selectors& selectors) {
  const auto uid = std::ranges::find_if(selectors, [](const attest::GradedSelector& held) {
    return held.selector.type == "unix" && held.selector.name == "uid";
  });
  return uid == selectors.end() ? std::string() : uid->selector.value;
}

}  // namespace

JwtSvids::JwtSvids(SvidBook& book, Clock clock) : book_(book), clock_(std::move(clock)) {}

// --- for workloads -------------------------------------------------------------------------------

void JwtSvids::Fetch(Selectors selectors, attest::TokenPurpose purpose, std::string spiffe_id,
                     Reply reply) {
  const auto ask = std::make_shared<Ask>(Ask{.selectors = std::move(selectors),
                                             .purpose = std::move(purpose),
                                             .spiffe_id = std::move(spiffe_id),
                                             .reply = std::move(reply),
                                             .since = clock_.uptime()});
  Told told;
  std::function<void()> wake;
  {
    const std::scoped_lock lock(mutex_);
    if (Begin(ask, told)) wake = wake_;
  }
  for (const auto& tell : told) tell();
  if (wake) wake();
}

Result<std::vector<EntryPtr>> JwtSvids::EntriesFor(const Ask& ask) const {
  auto entries = book_.Match(ask.selectors);
  if (!entries) return entries;
  if (!ask.spiffe_id.empty()) {
    std::erase_if(*entries,
                  [&](const EntryPtr& entry) { return entry->spiffe_id != ask.spiffe_id; });
    if (entries->empty()) {
      return ::lodekey::Fail(Code::kDenied,
                             fmt::format("the calling process is not {}", ask.spiffe_id),
                             {.name = "no-identity",
                              .advice = "See which identities it has: lodekey explain --pid PID"});
    }
  }
  const EntryPtr oldest = entries->front();
  std::erase_if(*entries, [&](const EntryPtr& entry) {
    return FirstRefused(*entry, ask.purpose.audiences) != nullptr;
  });
  if (!entries->empty()) return entries;
  const std::string& refused = *FirstRefused(*oldest, ask.purpose.audiences);
  return ::lodekey::Fail(
      Code::kDenied, fmt::format("{} gets no JWT-SVID for {}", oldest->spiffe_id, refused),
      {.name = "audience-not-allowed",
       .advice =
           fmt::format("If it should, add the audience to entry {} on the issuer.", oldest->id)});
}

bool JwtSvids::Begin(const std::shared_ptr<Ask>& ask, Told& told) {
  const auto entries = EntriesFor(*ask);
  if (!entries) {
    const bool patient = clock_.uptime() - ask->since < SvidBook::kPatience;
    if (entries.error().code == Code::kUnavailable && patient) {
      unmatched_.push_back(ask);
      return true;  // whoever asks the book again must know when
    }
    ask->problem = entries.error();
    Finish(ask, told);
    return false;
  }
  for (const EntryPtr& entry : *entries) ask->given.push_back({.entry = entry});
  if (!GiveKept(*ask, &Token::half)) {
    const std::string user = UserOf(ask->selectors);
    const auto jobs = std::ranges::count_if(ask->given, [&](const HeldJwt& held) {
      return held.token.empty() && !jobs_.contains(KeyOf(*held.entry, ask->purpose));
    });
    const auto charged = Charge(user, static_cast<size_t>(jobs));
    if (charged) {
      AddJobs(ask, user);
      return true;
    }
    // Whole or not at all: the first identity is the one that most programs use.
    if (!GiveKept(*ask, &Token::end)) {
      ask->given.clear();
      ask->problem = charged.error();
    }
  }
  Finish(ask, told);
  return false;
}

bool JwtSvids::GiveKept(Ask& ask, Time Token::* until) {
  bool all = true;
  for (HeldJwt& held : ask.given) {
    const Kept* kept = FindKept(KeyOf(*held.entry, ask.purpose));
    if (kept != nullptr && clock_.now() < kept->token.*until) {
      held.token = kept->token.text;
      held.end = kept->token.end;
    }
    all = all && !held.token.empty();
  }
  return all;
}

Result<void> JwtSvids::Charge(const std::string& name, size_t jobs) {
  if (jobs == 0) return {};  // others wait for them already
  User& user = users_[name];
  const Duration from = std::max(user.debt_until, clock_.uptime());
  if (user.open >= kMaxOpen || from - clock_.uptime() > (kBurst - 1) * kRest)
    return std::unexpected(TooMany());
  user.open += jobs;
  user.debt_until = from + jobs * kRest;
  return {};
}

void JwtSvids::AddJobs(const std::shared_ptr<Ask>& ask, const std::string& user) {
  for (const HeldJwt& held : ask->given) {
    if (!held.token.empty()) continue;
    ++ask->missing;
    const auto job = jobs_.try_emplace(
        KeyOf(*held.entry, ask->purpose),
        Job{.wanted = {.entry = held.entry, .selectors = ask->selectors, .purpose = ask->purpose},
            .user = user,
            .since = clock_.uptime()});
    job.first->second.asks.push_back(ask);
  }
}

Result<void> JwtSvids::Check(const Selectors& selectors,
                             const std::vector<HeldJwt>& fetched) const {
  std::vector<EntryPtr> entries;
  for (const HeldJwt& held : fetched) {
    if (clock_.now() >= held.end) return std::unexpected(Ended());
    entries.push_back(held.entry);
  }
  return CheckEntries(selectors, entries);
}

Result<void> JwtSvids::CheckEntries(const Selectors& selectors,
                                    const std::vector<EntryPtr>& entries) const {
  const auto now = book_.Match(selectors);
  if (!now) return std::unexpected(now.error());
  const auto stands = [&](const EntryPtr& entry) {
    return std::ranges::any_of(*now, [&](const EntryPtr& other) {
      return other->id == entry->id && other->revision == entry->revision &&
             other->spiffe_id == entry->spiffe_id;
    });
  };
  if (std::ranges::all_of(entries, stands)) return {};
  return std::unexpected(Changed());
}

// --- what is kept --------------------------------------------------------------------------------

JwtSvids::Kept* JwtSvids::FindKept(const Key& key) {
  const auto kept = kept_.find(key);
  if (kept == kept_.end()) return nullptr;
  auto& uses = users_.at(kept->second.user).uses;
  uses.splice(uses.begin(), uses, kept->second.use);
  return &kept->second;
}

std::map<JwtSvids::Key, JwtSvids::Kept>::iterator JwtSvids::Drop(
    std::map<Key, Kept>::iterator kept) {
  users_.at(kept->second.user).uses.erase(kept->second.use);
  return kept_.erase(kept);
}

void JwtSvids::Keep(const Key& key, Token token, const std::string& user) {
  if (const auto before = kept_.find(key); before != kept_.end()) Drop(before);
  if (kept_.size() == kMaxKept) {
    const auto most = std::ranges::max_element(
        users_, {}, [](const auto& item) { return item.second.uses.size(); });
    Drop(kept_.find(most->second.uses.back()));
  }
  auto& uses = users_.at(user).uses;
  uses.push_front(key);
  kept_.emplace(key, Kept{.token = std::move(token), .user = user, .use = uses.begin()});
}

}  // namespace lodekey::agent
