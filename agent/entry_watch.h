// Keeps a stream of the node's entries open while the node has an identity, and the book of SVIDs
// up to date with what comes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "agent/issuer_client.h"
#include "agent/schedule.h"
#include "agent/svid_book.h"
#include "base/time.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::agent {

// Thread-safe, but for Proceed, which one thread calls.
class EntryWatch {
 public:
  // Called on gRPC's threads, without a lock; they must not block.
  struct Listener {
    std::function<void()> wake;  // Proceed is due
    // The issuer has answered; the bundle is the newest that is known.
    std::function<void(const lodekey::node::v1::Bundle&)> received;
    // The issuer refuses the node (RefusesNode): nothing is watched until Start.
    std::function<void(const Error&)> refused;
  };
  EntryWatch(SvidBook& book, IssuerClient& issuer, std::string trust_domain, Retries retries,
             Listener listener);

  // The client has an identity that is called `serial`, and the issuer answers: what waits for its
  // next try does so no longer. Another serial than before moves the stream to the connection of
  // the new identity. `known` is a bundle that nothing older may replace.
  void Start(const std::string& serial, const lodekey::node::v1::Bundle& known);
  // The book hears nothing more from here. The stream ends with the next Proceed.
  void Stop();

  // Opens and ends streams; returns how long nothing needs to be done.
  Duration Proceed();

 private:
  using EntryStream = IssuerClient::EntryStream;

  // For the stream that is the `number`th: those before it are not heard any more.
  void Receive(uint64_t number, lodekey::node::v1::EntrySet message);
  void NoteEnd(uint64_t number, const Error& error);
  void RetryLater(const Error& error);
  Result<void> Take(lodekey::node::v1::EntrySet& message);

  SvidBook& book_;
  IssuerClient& issuer_;
  const std::string trust_domain_;
  const Retries retries_;
  const Listener listener_;

  std::mutex mutex_;
  Backoff backoff_;
  lodekey::node::v1::Bundle known_;
  std::string serial_;
  bool started_ = false;
  bool due_ = false;        // a stream is to be opened, once `open_at_` is over
  bool held_back_ = false;  // not before `open_at_`, whatever Start says
  bool heard_ = false;      // the stream has brought something
  Duration open_at_ = {};   // uptime
  uint64_t number_ = 0;
  std::unique_ptr<EntryStream> stream_;  // Proceed's
};

}  // namespace lodekey::agent
