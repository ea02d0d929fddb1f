// Re-attestations through the issuer's port: the real lodekey-issuer serves fifty hosts at once
// over mutual TLS on loopback, each on a connection of its own. What it costs is the CPU time of
// the issuer's process alone; what hosts and loopback cost is in the time of a round only.
#include <ctime>
#include <future>
#include <thread>

#include <benchmark/benchmark.h>

#include "cli/admin_client.h"
#include "tests/e2e/deployment.h"
#include "tests/issuer/port_client.h"
#include "tests/support/must.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {
namespace {

using lodekey::verdict::v1::Verdict;

constexpr int kHosts = 50;

// A process's CPU time so far, of all its threads.
double CpuSeconds(pid_t pid) {
  clockid_t clock{};
  timespec spent{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &spent) != 0)
    throw std::runtime_error("no CPU time of the issuer");
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9;
}

// The real issuer, and hosts that are enrolled there, each with a connection of its own.
class PortFleet {
 public:
  PortFleet()
      // The trust domain is that of the hosts.
      : issuer_(nullptr, {"trust_domain=example.org", "limits.enrolments_per_second=100000",
                          "limits.enrolments_per_source=100000"}) {
    issuer_.Init();
    issuer_.Start();
    const auto admin = cli::ConnectAdmin(issuer_.directory / "admin.sock");
    const auto authority =
        Must(crypto::Certificate::FromPem(ReadText(issuer_.state_dir() + "/ca/authority.crt")));
    const auto anonymous = ConnectToPort(issuer_.address(), authority);
    for (int i = 0; i < kHosts; ++i) {
      auto member = std::make_unique<Member>();
      lodekey::admin::v1::AllowNodeRequest allow;
      allow.set_ek_hash(member->host.id());
      Must(admin->AllowNode(allow));
      Must(EnrolThroughPort(*anonymous, member->host));
      member->stub = ConnectToPort(issuer_.address(), authority, IdentityOf(member->host));
      members_.push_back(std::move(member));
    }
    Prepare();
    Attest();  // shakes hands
    Settle();
  }

  // Every host answers its nonce; that is its work, not the issuer's.
  void Prepare() {
    for (const auto& member : members_) member->request = member->host.Attest();
  }
  // All of them at once, until the last reply.
  void Attest() {
    for (const auto& member : members_) {
      member->context = std::make_unique<grpc::ClientContext>();
      member->done = {};
      member->stub->async()->Attest(
          member->context.get(), &member->request, &member->response,
          [&done = member->done](grpc::Status status) { done.set_value(std::move(status)); });
    }
    for (const auto& member : members_) member->status = member->done.get_future().get();
  }
  // How many were accepted.
  int64_t Settle() {
    int64_t accepted = 0;
    for (const auto& member : members_) {
      if (!member->status.ok()) continue;
      member->host.Take(member->response);
      accepted += member->response.verdict().outcome() == Verdict::ACCEPTED ? 1 : 0;
    }
    return accepted;
  }
  double IssuerCpu() const { return CpuSeconds(issuer_.daemon.pid()); }

 private:
  struct Member {
    Host host;
    std::unique_ptr<PortStub> stub;
    std::unique_ptr<grpc::ClientContext> context;
    node::AttestRequest request;
    node::AttestResponse response;
    std::promise<grpc::Status> done;
    grpc::Status status;
  };
  IssuerHost issuer_;
  std::vector<std::unique_ptr<Member>> members_;
};

// One address may attest a thousand times a second, one node ten times: rounds are paced below
// both.
constexpr auto kRound = std::chrono::milliseconds(120);

void AttestThroughPort(benchmark::State& state) {
  using Clock = std::chrono::steady_clock;
  PortFleet fleet;
  int64_t accepted = 0;
  double cpu = 0;
  for (auto _ : state) {
    const auto begin = Clock::now();
    fleet.Prepare();
    const double cpu_before = fleet.IssuerCpu();
    const auto sent = Clock::now();
    fleet.Attest();
    state.SetIterationTime(std::chrono::duration<double>(Clock::now() - sent).count());
    cpu += fleet.IssuerCpu() - cpu_before;
    accepted += fleet.Settle();
    std::this_thread::sleep_until(begin + kRound);
  }
  if (accepted != state.iterations() * kHosts) state.SkipWithError("an attestation was refused");
  state.SetItemsProcessed(accepted);
  const double each = cpu / static_cast<double>(accepted);
  state.counters["issuer_cpu_us_each"] = each * 1e6;
  state.counters["per_s_and_core"] = 1 / each;
}
BENCHMARK(AttestThroughPort)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(50);

}  // namespace
}  // namespace lodekey::test
