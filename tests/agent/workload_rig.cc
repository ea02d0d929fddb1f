#include "tests/agent/workload_rig.h"

#include <sys/stat.h>
#include <utility>

#include <fmt/format.h>
#include <grpc/grpc.h>

#include "agent/unix_attestor.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

constexpr Time kBegin(Duration(1'800'000'000'000));
constexpr Duration kLife = std::chrono::hours(1);
constexpr Duration kTokenLife = std::chrono::minutes(5);

namespace node = lodekey::node::v1;

agent::AttestationPool::Attestors Attestors(agent::ExecutableDigests& digests) {
  agent::AttestationPool::Attestors attestors;
  attestors.push_back(std::make_unique<agent::UnixAttestor>(digests));
  return attestors;
}

}  // namespace

WorkloadRig::WorkloadRig(platform::PeerMode mode, agent::CallerLimit limit)
    : book({.now = [this] { return kBegin + Duration(passed_); },
            .uptime = [this] { return Duration(passed_); },
            .random = [] { return 0u; }}),
      tokens(book, {.now = [this] { return kBegin + Duration(passed_); },
                    .uptime = [this] { return Duration(passed_); }}),
      jwt_key(Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256))),
      pool(std::make_unique<agent::AttestationPool>(Attestors(digests))) {
  // Never shut down: after a write that blocked gRPC has a thread that polls for ten seconds
  // (tcp_posix.cc, run_poller), and its last server would wait for it.
  ::grpc_init();
  ::chmod(scratch_.path().c_str(), 0755);
  book.OnWanted([this] { Wake(); });
  tokens.OnWanted([this] { Wake(); });
  issuer_ = std::thread([this] { Issue(); });
  server = Must(agent::WorkloadServer::Start(
      {.socket = socket_, .caller_identification = mode, .limit = limit},
      {.pool = *pool, .book = book, .tokens = tokens, .now = [this] {
         return kBegin + Duration(passed_);
       }}));
}

WorkloadRig::~WorkloadRig() {
  server.reset();
  pool.reset();
  StopIssuing();
}

void WorkloadRig::StopIssuing() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (issuer_.joinable()) issuer_.join();
}

void WorkloadRig::Issue() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return wanted_ || stopping_; });
      if (stopping_) return;
      wanted_ = false;
    }
    for (const auto& wanted : book.TakeWanted(64)) {
      const Time now = kBegin + Duration(passed_);
      const std::string chain = fmt::format("chain {}", ++issued_);
      book.Put(wanted, {.spiffe_id = wanted.entry->spiffe_id,
                        .chain = chain,
                        .key = crypto::Secret::Copy(AsBytes("key of " + chain)),
                        .not_before = now,
                        .not_after = now + kLife});
    }
    IssueTokens();
  }
}

void WorkloadRig::IssueTokens() {
  for (const auto& wanted : tokens.TakeWanted(64)) {
    node::IssuedJwt issued;
    issued.set_token("token for " + wanted.purpose.audiences.front());
    const Time now = kBegin + Duration(passed_);
    issued.set_issued_unix_ms(now.time_since_epoch().count());
    issued.set_expires_unix_ms((now + kTokenLife).time_since_epoch().count());
    tokens.Put(wanted, issued);
  }
}

agent::EntryPtr WorkloadRig::Entry(const std::string& name, std::vector<std::string> selectors,
                                   const std::string& hint) {
  attest::Entry entry{
      .id = name, .revision = 1, .spiffe_id = IdOf(name), .hint = hint, .jwt_audiences = {"*"}};
  for (const std::string& selector : selectors)
    entry.selectors.push_back(Must(attest::ParseSelector(selector)));
  return std::make_shared<const attest::Entry>(std::move(entry));
}

void WorkloadRig::SetEntries(std::vector<agent::EntryPtr> entries, const std::string& roots) {
  auto bundle = std::make_shared<agent::TrustBundle>();
  bundle->trust_domain = "example.org";
  bundle->sequence = ++bundles_;
  bundle->roots = roots;
  bundle->jwt_keys = {{"0a", jwt_key.public_key()}};
  bundle->jwks = Must(crypto::FormatJwks(bundle->jwt_keys, bundles_));
  book.SetEntries({.entries = std::move(entries), .unusable = {}, .bundle = std::move(bundle)});
}

void WorkloadRig::Renew() { Pass(kLife / 2 + std::chrono::minutes(1)); }

void WorkloadRig::Pass(Duration duration) {
  passed_ += duration.count();
  book.Tick();
  Wake();
}

void WorkloadRig::Wake() {
  const std::scoped_lock lock(mutex_);
  wanted_ = true;
  wake_.notify_one();
}

}  // namespace lodekey::test
