#include "agent/svid_renewal.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/refusal.h"
#include "attest/codec.h"
#include "platform/log.h"

namespace lodekey::agent {
namespace {

namespace node = lodekey::node::v1;
using platform::LogLevel;

// Of one request (docs/protocol.md, Issuance): it has at most 16 KiB for each item that it may
// have.
constexpr size_t kMaxItems = 64;
constexpr size_t kItemShare = size_t{16} << 10;
// An item has at most the 32 selectors of an entry of 1 KiB each with their grades, 32 audiences of
// 255 bytes, 16 scopes and a task of 128, and the entry's name.
constexpr size_t kLargestItem = size_t{48} << 10;
constexpr Duration kAtOnce(0);
constexpr Duration kEvidenceTime = std::chrono::seconds(10);
constexpr Duration kSoon = std::chrono::seconds(1);   // the entries are on their way
constexpr Duration kLater = std::chrono::minutes(1);  // somebody has to do something

Error EvidenceWanted() {
  return {.code = Code::kUnavailable,
          .text = "the issuer wants fresh evidence of this host first",
          .name = "evidence-wanted",
          .advice = "The agent attests by itself. See what keeps it: lodekey status"};
}

Error Unusable(const std::string& spiffe_id) {
  return {.code = Code::kUntrusted,
          .text = fmt::format("the issuer's answer for {} is not what was asked for", spiffe_id),
          .name = "svid-invalid",
          .advice = "It is asked for again by itself."};
}

// A failure of the call says nothing against an entry.
Error OfTheCall(const Error& error) {
  Error told = error;
  if (!RefusesNode(error)) told.code = Code::kUnavailable;
  return told;
}

void LogRefusal(const attest::Entry& entry, const Error& error) {
  platform::LogEvent(LogLevel::kWarning, "an SVID was not issued: " + error.text,
                     {{"entry", entry.id},
                      {"spiffe_id", entry.spiffe_id},
                      {"code", std::string(error.Name())},
                      {"advice", error.advice}});
}

// Of the selectors those that the entry asks for: the issuer looks at no others.
void SetItem(node::IssueItem& item, const attest::Entry& entry, const Selectors& selectors) {
  item.set_entry_id(entry.id);
  item.set_entry_revision(entry.revision);
  for (const attest::GradedSelector& held : selectors) {
    if (std::ranges::find(entry.selectors, held.selector) == entry.selectors.end()) continue;
    auto* selector = item.add_selectors();
    selector->set_selector(attest::FormatSelector(held.selector));
    selector->set_grade(std::string(attest::GradeName(held.grade)));
  }
}

void SetPurpose(node::JwtRequest& request, const attest::TokenPurpose& purpose) {
  *request.mutable_audiences() = {purpose.audiences.begin(), purpose.audiences.end()};
  *request.mutable_scopes() = {purpose.scopes.begin(), purpose.scopes.end()};
  request.set_task(purpose.task);
}

}  // namespace

SvidRenewal::SvidRenewal(SvidBook& book, JwtSvids& tokens, IssuerClient& issuer, Retries retries,
                         Listener listener)
    : book_(book),
      tokens_(tokens),
      issuer_(issuer),
      retries_(std::move(retries)),
      listener_(std::move(listener)),
      backoff_(retries_.first, retries_.max),
      paused_(Error{.code = Code::kUnavailable,
                    .text = "this host has no identity yet",
                    .name = "not-enrolled",
                    .advice = "See what keeps it: lodekey status"}) {}

void SvidRenewal::Hasten() {
  {
    const std::scoped_lock lock(mutex_);
    ask_at_ = ask_tokens_at_ = {};
  }
  listener_.wake();
}

void SvidRenewal::Resume() {
  {
    const std::scoped_lock lock(mutex_);
    paused_.reset();
  }
  Hasten();
}

void SvidRenewal::Pause(const Error& why) {
  {
    const std::scoped_lock lock(mutex_);
    paused_ = OfTheCall(why);
  }
  listener_.wake();
}

Duration SvidRenewal::Proceed() {
  const Duration rest = std::min(book_.Tick(), tokens_.Tick());
  const Duration wait = Wait();
  // What is wanted now is no reason to look again before it may be asked for; patience may be.
  if (wait > Duration(0)) return std::min(std::max(rest, kSoon), wait);
  Batch batch = Take();
  if (batch.items.empty()) return rest;
  const auto response = issuer_.Issue(batch.request);
  if (!response) {
    Fail(batch, response.error());
  } else if (response->outcomes_size() != batch.request.items_size()) {
    Fail(batch, {.code = Code::kUntrusted,
                 .text = "the issuer answered another request",
                 .name = "svid-invalid"});
  } else {
    Settle(batch, *response);
  }
  return Duration(0);
}

Duration SvidRenewal::Wait() {
  std::unique_lock lock(mutex_);
  if (const auto paused = paused_) {
    lock.unlock();
    while (tokens_.HasWanted()) {
      for (const auto& wanted : tokens_.TakeWanted(kMaxItems)) tokens_.Fail(wanted, *paused);
    }
    return kLater;
  }
  return (tokens_.HasWanted() ? ask_tokens_at_ : ask_at_) - retries_.uptime();
}

size_t SvidRenewal::Batch::Room(size_t limit) const {
  const size_t bytes = request.ByteSizeLong();
  if (items.size() >= limit || bytes >= limit * kItemShare) return 0;
  return std::min(limit - items.size(), (limit * kItemShare - bytes) / kLargestItem);
}

// Neither kind keeps the other out.
SvidRenewal::Batch SvidRenewal::Take() {
  Batch batch;
  TakeX509(batch, kMaxItems / 2);
  TakeTokens(batch, kMaxItems);
  TakeX509(batch, kMaxItems);
  return batch;
}

void SvidRenewal::TakeTokens(Batch& batch, size_t limit) {
  while (const size_t room = batch.Room(limit)) {
    auto all = tokens_.TakeWanted(room);
    if (all.empty()) return;
    for (auto& wanted : all) {
      auto& item = *batch.request.add_items();
      SetItem(item, *wanted.entry, wanted.selectors);
      SetPurpose(*item.mutable_jwt(), wanted.purpose);
      batch.items.emplace_back(std::move(wanted));
    }
  }
}

void SvidRenewal::TakeX509(Batch& batch, size_t limit) {
  while (const size_t room = batch.Room(limit)) {
    auto all = book_.TakeWanted(room);
    if (all.empty()) return;
    for (auto& wanted : all) {
      auto key = crypto::PrivateKey::GenerateEc(crypto::Curve::kP256);
      if (!key) {
        book_.Fail(wanted, key.error(), kLater);
        continue;
      }
      auto& item = *batch.request.add_items();
      SetItem(item, *wanted.entry, wanted.selectors);
      item.mutable_x509()->set_public_key(attest::ToField(key->public_key().spki_der()));
      batch.items.emplace_back(X509Item{.wanted = std::move(wanted), .key = *std::move(key)});
    }
  }
}

void SvidRenewal::Settle(const Batch& batch, const node::IssueResponse& response) {
  const auto wants =
      std::ranges::find_if(response.outcomes(), &node::IssueOutcome::has_needs_evidence);
  const bool wants_evidence = wants != response.outcomes().end();
  const Duration again = NoteAnswer(wants_evidence);
  if (wants_evidence) listener_.evidence_wanted(wants->needs_evidence());
  auto outcome = response.outcomes().begin();
  const Time at(Duration(response.time_unix_ms()));
  for (const auto& item : batch.items) {
    NoteOutcome(item, *outcome, at);
    std::visit([&](const auto& asked) { SettleItem(asked, *outcome, again); }, item);
    ++outcome;
  }
}

Duration SvidRenewal::NoteAnswer(bool wants_evidence) {
  const std::scoped_lock lock(mutex_);
  const bool before = std::exchange(evidence_wanted_, wants_evidence);
  ask_at_ = ask_tokens_at_ = wants_evidence ? retries_.uptime() + kEvidenceTime : Duration(0);
  if (wants_evidence && before) return backoff_.Next(retries_.random());
  if (!wants_evidence) backoff_.Reset();
  return kAtOnce;
}

void SvidRenewal::NoteOutcome(const Item& item, const node::IssueOutcome& outcome, Time at) {
  IssuerRefusal refusal{.entry_id = {}, .purpose = {}, .refusal = outcome.refused(), .at = at};
  if (const auto* token = std::get_if<JwtSvids::Wanted>(&item)) {
    refusal.entry_id = token->entry->id;
    refusal.purpose = token->purpose;
  } else {
    refusal.entry_id = std::get<X509Item>(item).wanted.entry->id;
  }
  if (outcome.has_refused()) {
    refusals_.Note(std::move(refusal));
  } else if (!outcome.has_needs_evidence()) {
    refusals_.Forget(refusal.entry_id, refusal.purpose);
  }
}

void SvidRenewal::SettleItem(const JwtSvids::Wanted& wanted, const node::IssueOutcome& outcome,
                             Duration again) {
  if (outcome.has_jwt()) return tokens_.Put(wanted, outcome.jwt());
  if (outcome.has_refused()) return tokens_.Fail(wanted, ErrorOf(outcome.refused()));
  if (outcome.has_needs_evidence() && again == kAtOnce)
    return tokens_.PutOff(wanted, EvidenceWanted());
  tokens_.Fail(wanted,
               outcome.has_needs_evidence() ? EvidenceWanted() : Unusable(wanted.entry->spiffe_id));
}

void SvidRenewal::SettleItem(const X509Item& item, const node::IssueOutcome& outcome,
                             Duration again) {
  const auto& [wanted, key] = item;
  if (outcome.has_needs_evidence()) return book_.Fail(wanted, EvidenceWanted(), again);
  if (outcome.has_refused()) {
    const Error error = ErrorOf(outcome.refused());
    LogRefusal(*wanted.entry, error);
    return book_.Fail(wanted, error, error.code == Code::kConflict ? kSoon : kLater);
  }
  auto svid = ReadX509Svid(outcome.x509(), wanted.entry->spiffe_id, key);
  if (svid) return book_.Put(wanted, *std::move(svid));
  LogRefusal(*wanted.entry, svid.error());
  book_.Fail(wanted, svid.error(), kLater);
}

void SvidRenewal::FailItem(const JwtSvids::Wanted& wanted, const Error& error, Duration) {
  tokens_.Fail(wanted, error);
}

void SvidRenewal::FailItem(const X509Item& item, const Error& error, Duration again) {
  book_.Fail(item.wanted, error, again);
}

void SvidRenewal::Fail(const Batch& batch, const Error& error) {
  const Error told = OfTheCall(error);
  Duration wait{};
  {
    const std::scoped_lock lock(mutex_);
    wait = backoff_.Next(retries_.random());
    ask_at_ = retries_.uptime() + wait;
    ask_tokens_at_ = retries_.uptime() + std::min(wait, retries_.first);
  }
  platform::LogEvent(LogLevel::kWarning, "no SVIDs from the issuer: " + error.text,
                     {{"code", std::string(error.Name())}, {"advice", error.advice}});
  for (const auto& item : batch.items)
    std::visit([&](const auto& asked) { FailItem(asked, told, wait); }, item);
  if (RefusesNode(error)) listener_.refused(error);
}

}  // namespace lodekey::agent
