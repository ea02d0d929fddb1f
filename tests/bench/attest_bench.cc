// Re-attestations verified and stored per second: the budget is 2,000 on one core. A thousand
// hosts answer their nonces; what is timed is the issuer's work alone, from message to durable
// reply. CPU is that of the whole process. port_bench has the same through gRPC.
#include <future>

#include <benchmark/benchmark.h>

#include "issuer/parsed_cache.h"
#include "platform/log.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

// So many that none of them attests more often than a node may (ten times a second).
constexpr int kHosts = 1024;

struct Fleet {
  IssuerRig issuer;
  std::vector<std::unique_ptr<Host>> hosts;

  explicit Fleet(int count) {
    platform::InitLog(platform::LogLevel::kError);
    for (int i = 0; i < count; ++i) {
      hosts.push_back(std::make_unique<Host>());
      issuer.Admit(*hosts.back());
    }
  }
};

void AttestInProcess(benchmark::State& state) {
  Fleet fleet(kHosts);
  int64_t accepted = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<node::AttestRequest> requests;
    for (const auto& host : fleet.hosts) requests.push_back(host->Attest());
    state.ResumeTiming();
    std::vector<std::future<Result<node::AttestResponse>>> replies;
    for (size_t i = 0; i < requests.size(); ++i) {
      replies.push_back(fleet.issuer.AttestLater(fleet.hosts[i]->certificate(), requests[i]));
    }
    std::vector<node::AttestResponse> responses;
    for (auto& reply : replies) responses.push_back(Must(reply.get()));
    state.PauseTiming();
    for (size_t i = 0; i < responses.size(); ++i) {
      accepted +=
          responses[i].verdict().outcome() == lodekey::verdict::v1::Verdict::ACCEPTED ? 1 : 0;
      fleet.hosts[i]->Take(responses[i]);
    }
    fleet.issuer.Pass(std::chrono::seconds(1));
    state.ResumeTiming();
  }
  if (accepted != state.iterations() * kHosts) state.SkipWithError("an attestation was refused");
  state.SetItemsProcessed(accepted);
}
BENCHMARK(AttestInProcess)->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond)->MinTime(2);

// What the issuer's caches spare with each call: parsing, and looking up what was parsed.
void ParseCertificate(benchmark::State& state) {
  const Fleet fleet(1);
  const std::string pem = fleet.hosts.front()->certificate().ToPem();
  for (auto _ : state) benchmark::DoNotOptimize(Must(crypto::Certificate::FromPem(pem)));
}
BENCHMARK(ParseCertificate)->Unit(benchmark::kMicrosecond);

void ParsePublicArea(benchmark::State& state) {
  const Host host;
  const Bytes tpm2b = host.tpm().ak().area.tpm2b();
  for (auto _ : state) benchmark::DoNotOptimize(Must(tpm::PublicArea::Parse(tpm2b)));
}
BENCHMARK(ParsePublicArea)->Unit(benchmark::kMicrosecond);

void FindCertificate(benchmark::State& state) {
  const Fleet fleet(64);
  issuer::ParsedCache<crypto::Certificate> cache(fleet.hosts.size());
  for (const auto& host : fleet.hosts) cache.Keep(host->certificate().ToPem(), host->certificate());
  const std::string pem = fleet.hosts.front()->certificate().ToPem();
  for (auto _ : state) benchmark::DoNotOptimize(cache.Find(pem).value());
}
BENCHMARK(FindCertificate)->Unit(benchmark::kMicrosecond);

void FindPublicArea(benchmark::State& state) {
  const Host host;
  const tpm::PublicArea& area = host.tpm().ak().area;
  issuer::ParsedCache<tpm::PublicArea> cache(64);
  cache.Keep(AsText(area.tpm2b()), area);
  for (auto _ : state) benchmark::DoNotOptimize(cache.Find(AsText(area.tpm2b())).value());
}
BENCHMARK(FindPublicArea)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace lodekey::test
