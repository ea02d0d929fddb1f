// Committed node updates per second, each with one audit line, by how many are in flight: what a
// re-attestation costs the issuer's disk. Runs in TMPDIR: name a real disk there, a tmpfs syncs for
// nothing.
#include <latch>
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include "issuer/sqlite_store.h"
#include "tests/issuer/store_fixture.h"
#include "tests/support/must.h"

namespace lodekey::issuer {
namespace {

constexpr unsigned kNodes = 1024;
constexpr const char* kRecord =
    R"({"time":"2026-01-01T00:00:00.000Z","event":"node.attested","node":)"
    R"("0000000000000000000000000000000000000000000000000000000000000001","outcome":"accepted",)"
    R"("standing":"active"})";

std::vector<NodeRecord> MakeNodes(Store& store) {
  std::vector<NodeRecord> nodes;
  for (unsigned i = 0; i < kNodes; ++i) nodes.push_back(test::FullNode(i));
  test::Must(store.CommitAndWait([&](Transaction& transaction) -> Result<void> {
    for (NodeRecord& node : nodes) {
      RETURN_IF_ERROR(transaction.PutNode(node), "make a node");
      node.revision = 1;
    }
    return {};
  }));
  return nodes;
}

void NodeUpdates(benchmark::State& state) {
  const auto in_flight = static_cast<unsigned>(state.range(0));
  const test::ScratchDirectory directory;
  const auto store = test::Must(test::OpenStore(test::StoreFiles(directory.path())));
  std::vector<NodeRecord> nodes = MakeNodes(*store);
  unsigned next = 0;
  for (auto _ : state) {
    std::latch done(in_flight);
    for (unsigned i = 0; i < in_flight; ++i) {
      NodeRecord& node = nodes[next++ % kNodes];
      store->Commit(
          [&node](Transaction& transaction) {
            transaction.Audit(kRecord);
            return transaction.PutNode(node);
          },
          [&done, &node, &state](const Result<crypto::ChainHead>& head) {
            if (!head) state.SkipWithError(head.error().text.c_str());
            ++node.revision;
            done.count_down();
          });
    }
    done.wait();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * in_flight);
}
BENCHMARK(NodeUpdates)
    ->Arg(1)
    ->Arg(16)
    ->Arg(256)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

void NodeReads(benchmark::State& state) {
  const test::ScratchDirectory directory;
  const auto store = test::Must(test::OpenStore(test::StoreFiles(directory.path())));
  const std::vector<NodeRecord> nodes = MakeNodes(*store);
  unsigned next = 0;
  for (auto _ : state) {
    const NodeId& id = nodes[next++ % kNodes].id;
    test::Must(store->Read([&](View& view) -> Result<void> {
      benchmark::DoNotOptimize(test::Must(view.FindNode(id)));
      return {};
    }));
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(NodeReads)->UseRealTime();

}  // namespace
}  // namespace lodekey::issuer
