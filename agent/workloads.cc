#include "agent/workloads.h"

#include <algorithm>
#include <utility>

namespace lodekey::agent {

namespace node = lodekey::node::v1;

Workloads::Workloads(IssuerClient& issuer, const Options& options, Listener listener)
    : listener_(std::move(listener)),
      book_(
          {.now = options.now, .uptime = options.retries.uptime, .random = options.retries.random}),
      tokens_(book_, {.now = options.now, .uptime = options.retries.uptime}),
      store_(book_, options.retries.uptime),
      watch_(book_, issuer, options.trust_domain, options.retries,
             {.wake = [this] { Wake(); },
              .received =
                  [this](const node::Bundle& bundle) {
                    renewal_.Hasten();
                    listener_.bundle(bundle);
                  },
              .refused = [this](const Error& error) { NoteRefusal(error); }}),
      renewal_(book_, tokens_, issuer, options.retries,
               {.wake = [this] { Wake(); },
                .evidence_wanted = listener_.evidence_wanted,
                .refused = [this](const Error& error) { NoteRefusal(error); }}),
      worker_([this] { Run(); }) {
  book_.OnWanted([this] { Wake(); });
  tokens_.OnWanted([this] { Wake(); });
}

Workloads::~Workloads() {
  watch_.Stop();
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  worker_.join();
  store_.Flush();
}

void Workloads::Serve(const Node& node) {
  {
    const std::scoped_lock lock(mutex_);
    denied_ = false;
  }
  store_.SetOwner(node.owner);
  watch_.Start(node.serial, node.bundle);
  renewal_.Resume();
}

void Workloads::Withdraw(const Error& reason) {
  {
    const std::scoped_lock lock(mutex_);
    if (denied_ && reason.code != Code::kDenied) return;
    denied_ = reason.code == Code::kDenied;
  }
  watch_.Stop();
  renewal_.Pause(reason);
  book_.Withdraw(reason);
  tokens_.Withdraw(reason);
  store_.Empty();
}

void Workloads::Pause(const Error& reason) {
  watch_.Stop();
  renewal_.Pause(reason);
  book_.NoteProblem(reason);
}

void Workloads::NoteRefusal(const Error& error) {
  Withdraw(error);
  listener_.refused(error);
}

void Workloads::Run() {
  Duration rest{};
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, rest, [&] { return woken_ || stopping_; });
      if (stopping_) break;
      woken_ = false;
    }
    rest = std::min({watch_.Proceed(), renewal_.Proceed(), store_.Proceed()});
  }
  watch_.Proceed();  // it was stopped: the stream ends, which speaks to the others
}

void Workloads::Wake() {
  const std::scoped_lock lock(mutex_);
  woken_ = true;
  wake_.notify_all();
}

}  // namespace lodekey::agent
