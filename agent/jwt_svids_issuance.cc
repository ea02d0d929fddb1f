// The tokens' side towards the issuer: what is to be issued, and what became of it.
#include <algorithm>
#include <deque>
#include <utility>

#include <fmt/format.h>

#include "agent/jwt_svids.h"
#include "agent/schedule.h"

namespace lodekey::agent {
namespace {

constexpr size_t kMaxToken = 64 << 10;

Error Impatient() {
  return {.code = Code::kUnavailable,
          .text = "the issuer has not answered in time",
          .name = "issuer-unreachable",
          .advice = "See what keeps it: lodekey status"};
}

}  // namespace

std::vector<JwtSvids::Wanted> JwtSvids::TakeWanted(size_t limit) {
  const std::scoped_lock lock(mutex_);
  std::map<std::string, std::deque<Job*>> users;
  for (auto& [key, job] : jobs_) {
    if (!job.taken) users[job.user].push_back(&job);
  }
  for (auto& [user, jobs] : users) std::ranges::stable_sort(jobs, {}, &Job::since);
  std::vector<Wanted> wanted;
  auto next = users.upper_bound(turn_);
  while (!users.empty() && wanted.size() < limit) {
    if (next == users.end()) next = users.begin();
    auto& [user, jobs] = *next;
    jobs.front()->taken = true;
    wanted.push_back(jobs.front()->wanted);
    jobs.pop_front();
    turn_ = user;
    next = jobs.empty() ? users.erase(next) : std::next(next);
  }
  return wanted;
}

bool JwtSvids::HasWanted() const {
  const std::scoped_lock lock(mutex_);
  return std::ranges::any_of(jobs_, [](const auto& item) { return !item.second.taken; });
}

void JwtSvids::Put(const Wanted& wanted, const lodekey::node::v1::IssuedJwt& issued) {
  const Time begin(Duration(issued.issued_unix_ms()));
  const Time end(Duration(issued.expires_unix_ms()));
  if (auto stands = CheckEntries(wanted.selectors, {wanted.entry}); !stands)
    return Fail(wanted, stands.error());
  if (issued.token().empty() || issued.token().size() > kMaxToken || end <= begin) {
    return Fail(wanted, {.code = Code::kUntrusted,
                         .text = fmt::format("the issuer's token for {} is not what was asked for",
                                             wanted.entry->spiffe_id),
                         .name = "svid-invalid",
                         .advice = "Ask again."});
  }
  Told told;
  {
    const std::scoped_lock lock(mutex_);
    const Key key = KeyOf(*wanted.entry, wanted.purpose);
    const auto job = jobs_.find(key);
    if (job == jobs_.end()) return;  // withdrawn meanwhile
    const Token token{.text = issued.token(), .half = begin + (end - begin) / 2, .end = end};
    Keep(key, token, job->second.user);
    Settle(key, token, told);
  }
  for (const auto& tell : told) tell();
}

void JwtSvids::Fail(const Wanted& wanted, const Error& error) {
  Told told;
  {
    const std::scoped_lock lock(mutex_);
    GiveUp(KeyOf(*wanted.entry, wanted.purpose), error, told);
  }
  for (const auto& tell : told) tell();
}

void JwtSvids::GiveUp(const Key& key, const Error& error, Told& told) {
  const auto job = jobs_.find(key);
  if (job == jobs_.end()) return;  // withdrawn meanwhile
  const auto kept = kept_.find(key);
  if (kept == kept_.end()) return Settle(key, std::unexpected(error), told);
  // A conflict: the issuer has another entry than this host.
  const bool refused = error.code == Code::kDenied || error.code == Code::kConflict;
  const Wanted& wanted = job->second.wanted;
  const bool good = !refused && clock_.now() < kept->second.token.end &&
                    CheckEntries(wanted.selectors, {wanted.entry});
  if (good) return Settle(key, kept->second.token, told);
  Drop(kept);
  Settle(key, std::unexpected(error), told);
}

void JwtSvids::PutOff(const Wanted& wanted, const Error& why) {
  const std::scoped_lock lock(mutex_);
  const auto job = jobs_.find(KeyOf(*wanted.entry, wanted.purpose));
  if (job == jobs_.end()) return;
  job->second.taken = false;
  job->second.problem = why;
}

void JwtSvids::Settle(const Key& key, const Result<Token>& token, Told& told) {
  const auto job = jobs_.extract(key);
  if (job.empty()) return;
  --users_.at(job.mapped().user).open;
  for (const std::shared_ptr<Ask>& ask : job.mapped().asks) {
    const auto held = std::ranges::find(ask->given, key.entry_id,
                                        [](const HeldJwt& given) { return given.entry->id; });
    if (token) {
      held->token = token->text;
      held->end = token->end;
    } else if (!ask->problem) {
      ask->problem = token.error();
    }
    if (--ask->missing == 0) Finish(ask, told);
  }
}

void JwtSvids::Finish(const std::shared_ptr<Ask>& ask, Told& told) {
  std::erase_if(ask->given, [](const HeldJwt& held) { return held.token.empty(); });
  told.emplace_back([ask] {
    if (ask->given.empty())
      ask->reply(std::unexpected(ask->problem.value_or(Impatient())));
    else
      ask->reply(std::move(ask->given));
  });
}

void JwtSvids::Withdraw(const Error& reason) {
  Told told;
  {
    const std::scoped_lock lock(mutex_);
    while (!kept_.empty()) Drop(kept_.begin());
    while (!jobs_.empty()) Settle(Key(jobs_.begin()->first), std::unexpected(reason), told);
    for (const auto& ask : std::exchange(unmatched_, {})) {
      ask->problem = reason;
      Finish(ask, told);
    }
  }
  for (const auto& tell : told) tell();
}

Duration JwtSvids::Tick() {
  Told told;
  Duration rest = kLongestRest;
  {
    const std::scoped_lock lock(mutex_);
    const Duration uptime = clock_.uptime();
    const auto within = [&](Duration since) {
      rest = std::clamp(since + SvidBook::kPatience - uptime, Duration(0), rest);
    };
    for (const auto& ask : std::exchange(unmatched_, {})) Begin(ask, told);
    for (const auto& ask : unmatched_) within(ask->since);
    std::vector<std::pair<Key, Error>> impatient;
    for (const auto& [key, job] : jobs_) {
      if (job.taken) continue;
      if (uptime - job.since < SvidBook::kPatience)
        within(job.since);
      else
        impatient.emplace_back(key, job.problem.value_or(Impatient()));
    }
    for (const auto& [key, problem] : impatient) GiveUp(key, problem, told);
    for (auto kept = kept_.begin(); kept != kept_.end();)
      kept = clock_.now() < kept->second.token.end ? std::next(kept) : Drop(kept);
    std::erase_if(users_, [&](const auto& item) {
      const User& user = item.second;
      return user.uses.empty() && user.open == 0 && user.debt_until <= uptime;
    });
  }
  for (const auto& tell : told) tell();
  return rest;
}

void JwtSvids::OnWanted(std::function<void()> wake) {
  const std::scoped_lock lock(mutex_);
  wake_ = std::move(wake);
}

}  // namespace lodekey::agent
