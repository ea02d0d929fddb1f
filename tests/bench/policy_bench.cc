// What a decision costs: the shipped policy, in a worker, with the input of a workload's
// credential.
#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "issuer/policy_bundle.h"
#include "issuer/policy_engine.h"
#include "tests/support/must.h"
#include "tests/support/program.h"

namespace lodekey::test {
namespace {

constexpr int kRuns = 2000;
constexpr size_t kBatch = 64;
constexpr std::string_view kRule = "data.lodekey.issuance.decision";

constexpr std::string_view kInput = R"({
  "schema": 1, "point": "issuance", "trust_domain": "example.org",
  "time": {"unix": 1763839227, "rfc3339": "2025-11-22T19:20:27Z", "weekday": "saturday", "minute": 1160},
  "node": {"id": "9f86d081884c7d65", "spiffe_id": "spiffe://example.org/node/9f86d081884c7d65",
           "standing": "active", "group": "default", "known": true, "created": 1763000000,
           "enrolled": 1763800000, "evidence_time": 1763839215, "evidence_age": 12},
  "facts": {"proved": {"assurance": "hardware"}, "kernel_measured": {}, "recorded": {},
            "observed": {"source": "192.0.2.7",
                         "selectors": ["unix:uid:1000", "unix:path:/usr/bin/web", "systemd:unit:web.service"]},
            "declared": {"labels": {"site": "berlin"}}},
  "findings": [],
  "entry": {"id": "6f1c", "revision": 1, "spiffe_id": "spiffe://example.org/web",
            "selectors": ["unix:uid:1000", "systemd:unit:web.service"], "x509_ttl": 3600, "jwt_ttl": 300,
            "dns_names": [], "common_name": "", "hint": "", "jwt_audiences": [], "owner": "", "expires": 0,
            "prefetch": false},
  "request": {"kind": "x509", "audience": [], "scope": [], "task": "", "ttl": 3600}
})";

using Micros = std::chrono::duration<double, std::micro>;

double Percentile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

// How long each of `runs` batches of `size` inputs takes, in microseconds.
std::vector<double> Measure(issuer::PolicyEngine& engine, int runs, size_t size) {
  const std::vector<std::string> inputs(size, std::string(kInput));
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    for (const auto& value : engine.Evaluate(kRule, inputs)) {
      if (Must(value).find(R"("allow":true)") == std::string::npos)
        throw std::runtime_error("the policy denies what is to be measured: " + *value);
    }
    times.push_back(Micros(std::chrono::steady_clock::now() - begin).count());
  }
  return times;
}

void Print(std::string_view what, const std::vector<double>& times) {
  fmt::print("{:<44} {:>9.0f} / {:>7.0f} us\n", what, Percentile(times, 0.5),
             Percentile(times, 0.99));
}

void Run() {
  const issuer::PolicyEngineOptions options{.program = ProgramPath("lodekey-issuer"), .workers = 1};
  const auto begin = std::chrono::steady_clock::now();
  const auto engine = Must(issuer::PolicyEngine::Load(issuer::ShippedPolicy(), options));
  const Micros loaded = std::chrono::steady_clock::now() - begin;
  static_cast<void>(Measure(*engine, kRuns / 10, 1));
  fmt::print("{:<44} {:>9} / {:>7}\n", "decision of the shipped policy", "p50", "p99");
  Print("one input", Measure(*engine, kRuns, 1));
  Print(fmt::format("{} inputs at once", kBatch), Measure(*engine, kRuns / 20, kBatch));
  fmt::print("{:<44} {:>9.0f} us\n", "start of a worker, with the policy", loaded.count());
}

}  // namespace
}  // namespace lodekey::test

int main() {
  lodekey::test::Run();
  return 0;
}
