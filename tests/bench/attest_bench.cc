// Re-attestations verified and stored per second: the budget is 2,000 on one core. Fifty hosts
// answer their nonces; what is timed is the issuer's work alone, from message to durable reply. CPU
// is that of the whole process.
#include <future>

#include <benchmark/benchmark.h>

#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

constexpr int kHosts = 50;

struct Fleet {
  IssuerRig issuer;
  std::vector<std::unique_ptr<Host>> hosts;

  Fleet() {
    for (uint64_t chip = 0; chip < kHosts; ++chip) {
      hosts.push_back(std::make_unique<Host>());
      issuer.Admit(*hosts.back());
    }
  }
};

void AttestInProcess(benchmark::State& state) {
  Fleet fleet;
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

}  // namespace
}  // namespace lodekey::test
