#include "agent/entry_watch.h"

#include <algorithm>
#include <utility>

#include "agent/refusal.h"
#include "platform/log.h"

namespace lodekey::agent {
namespace {

namespace node = lodekey::node::v1;
using platform::LogLevel;

}  // namespace

EntryWatch::EntryWatch(SvidBook& book, IssuerClient& issuer, std::string trust_domain,
                       Retries retries, Listener listener)
    : book_(book),
      issuer_(issuer),
      trust_domain_(std::move(trust_domain)),
      retries_(std::move(retries)),
      listener_(std::move(listener)),
      backoff_(retries_.first, retries_.max) {}

void EntryWatch::Start(const std::string& serial, const node::Bundle& known) {
  {
    const std::scoped_lock lock(mutex_);
    if (known.sequence() > known_.sequence()) known_ = known;
    if (!started_ || serial != serial_) due_ = true;
    if (!held_back_) open_at_ = {};
    started_ = true;
    serial_ = serial;
  }
  listener_.wake();
}

void EntryWatch::Stop() {
  {
    const std::scoped_lock lock(mutex_);
    started_ = due_ = false;
    ++number_;
  }
  listener_.wake();
}

Duration EntryWatch::Proceed() {
  // Ends without the lock, which the stream's last words may be waiting for.
  std::unique_ptr<EntryStream> over;
  std::unique_lock lock(mutex_);
  if (!started_) {
    over = std::move(stream_);
    return kLongestRest;
  }
  const Duration left = open_at_ - retries_.uptime();
  if (!due_) return kLongestRest;
  if (left > Duration(0)) return std::min(left, kLongestRest);
  due_ = heard_ = held_back_ = false;
  const uint64_t number = ++number_;
  lock.unlock();
  // The one before ends when this one is open: there is no gap.
  auto opened = issuer_.WatchEntries(
      {.entries = [this, number](const node::EntrySet& message) { Receive(number, message); },
       .ended = [this, number](const Error& error) { NoteEnd(number, error); }});
  if (!opened) NoteEnd(number, opened.error());
  over = std::exchange(stream_, opened ? *std::move(opened) : nullptr);
  return Duration(0);
}

void EntryWatch::Receive(uint64_t number, node::EntrySet message) {
  node::Bundle known;
  {
    // Held while the book takes it: who has called Stop finds the book as it left it.
    const std::scoped_lock lock(mutex_);
    if (number != number_) return;
    if (const auto taken = Take(message); !taken) {
      platform::LogEvent(LogLevel::kError, taken.error().text,
                         {{"code", std::string(taken.error().Name())}});
      return book_.NoteProblem(taken.error());
    }
    heard_ = true;
    backoff_.Reset();
    known = known_;
  }
  listener_.received(known);
}

Result<void> EntryWatch::Take(node::EntrySet& message) {
  // Roots and keys do not go back, whoever answers; entries do not wait for that.
  if (message.bundle().sequence() < known_.sequence()) {
    platform::LogEvent(LogLevel::kError,
                       "the issuer sent an older bundle than before: the newer one stays in use",
                       {{"seen_before", std::to_string(known_.sequence())},
                        {"now", std::to_string(message.bundle().sequence())}});
    *message.mutable_bundle() = known_;
  }
  ASSIGN_OR_RETURN(EntrySet set, ReadEntrySet(message, trust_domain_), "entries");
  known_ = message.bundle();
  book_.SetEntries(std::move(set));
  return {};
}

void EntryWatch::NoteEnd(uint64_t number, const Error& error) {
  bool refused = false;
  {
    const std::scoped_lock lock(mutex_);
    if (number != number_) return;
    refused = RefusesNode(error);
    // One that is refused may start again when the issuer has accepted the node; not at once, so
    // that two opinions of the issuer do not make us run in circles.
    started_ = !refused;
    due_ = true;
    RetryLater(error);
  }
  if (refused) listener_.refused(error);
  listener_.wake();
}

void EntryWatch::RetryLater(const Error& error) {
  const Duration uptime = retries_.uptime();
  const bool superseded = error.Name() == "watch-superseded";
  held_back_ = superseded || RefusesNode(error);
  if (superseded) {
    // Whoever has the newer stream would lose it to ours.
    open_at_ = uptime + Jittered(retries_.max, retries_.random());
  } else if (std::exchange(heard_, false) && !held_back_) {
    open_at_ = uptime;  // connections have a greatest age
  } else {
    open_at_ = uptime + backoff_.Next(retries_.random());
    book_.NoteProblem(error);
    platform::LogEvent(LogLevel::kWarning, "no news of this host's entries: " + error.text,
                       {{"code", std::string(error.Name())}, {"advice", error.advice}});
  }
}

}  // namespace lodekey::agent
