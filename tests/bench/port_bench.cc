// Re-attestations, and credentials of workloads, through the issuer's port: the real lodekey-issuer
// serves fifty hosts at once over mutual TLS on loopback, each on a connection of its own. What it
// costs is the CPU time of the issuer's process alone; what hosts and loopback cost is in the time
// of a round only.
#include <ctime>
#include <functional>
#include <future>
#include <thread>

#include <benchmark/benchmark.h>

#include "cli/admin_client.h"
#include "issuer/audit_log.h"
#include "issuer/authority.h"
#include "issuer/entry_record.h"
#include "issuer/sqlite_store.h"
#include "tests/e2e/deployment.h"
#include "tests/issuer/port_client.h"
#include "tests/issuer/workload.h"
#include "tests/support/must.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {
namespace {

using lodekey::verdict::v1::Verdict;

constexpr int kHosts = 50;
constexpr int kWorkloads = 64;  // of each host: as many as it may ask for at once

// A process's CPU time so far, of all its threads.
double CpuSeconds(pid_t pid) {
  clockid_t clock{};
  timespec spent{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &spent) != 0)
    throw std::runtime_error("no CPU time of the issuer");
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9;
}

// One call and what came back.
template <class Request, class Response>
struct Exchange {
  std::unique_ptr<grpc::ClientContext> context;
  Request request;
  Response response;
  std::promise<grpc::Status> done;
  grpc::Status status;
};

struct Member {
  Host host;
  std::vector<attest::Entry> entries;
  std::unique_ptr<PortStub> stub;
  Exchange<node::AttestRequest, node::AttestResponse> attest;
  Exchange<node::IssueRequest, node::IssueResponse> issue;
};

// The real issuer, and hosts that are enrolled there, each with a connection of its own.
class PortFleet {
 public:
  PortFleet()
      // The trust domain is that of the hosts.
      : issuer_(nullptr, {"trust_domain=example.org", "limits.enrolments_per_second=100000",
                          "limits.enrolments_per_source=100000"}) {
    issuer_.Init();
    for (int i = 0; i < kHosts; ++i) members_.push_back(std::make_unique<Member>());
    PutEntries();
    issuer_.Start();
    const auto admin = cli::ConnectAdmin(issuer_.directory / "admin.sock");
    const auto authority =
        Must(crypto::Certificate::FromPem(ReadText(issuer_.state_dir() + "/ca/authority.crt")));
    const auto anonymous = ConnectToPort(issuer_.address(), authority);
    for (const auto& member : members_) {
      lodekey::admin::v1::AllowNodeRequest allow;
      allow.set_ek_hash(member->host.id());
      Must(admin->AllowNode(allow));
      Must(EnrolThroughPort(*anonymous, member->host));
      member->stub = ConnectToPort(issuer_.address(), authority, IdentityOf(member->host));
    }
    Prepare();
    Attest();  // shakes hands
    Settle();
  }

  // Every host answers its nonce; that is its work, not the issuer's.
  void Prepare() {
    for (const auto& member : members_) member->attest.request = member->host.Attest();
  }
  // All of them at once, until the last reply.
  void Attest() { Send(&Member::attest, &Async::Attest); }
  // How many were accepted.
  int64_t Settle() {
    int64_t accepted = 0;
    for (const auto& member : members_) {
      if (!member->attest.status.ok()) continue;
      member->host.Take(member->attest.response);
      accepted += member->attest.response.verdict().outcome() == Verdict::ACCEPTED ? 1 : 0;
    }
    return accepted;
  }

  // What every host will ask for: so many credentials at once.
  void AskFor(int64_t count, const std::function<node::IssueItem(const attest::Entry&)>& item) {
    for (const auto& member : members_) {
      member->issue.request.Clear();
      for (int64_t i = 0; i < count; ++i)
        *member->issue.request.add_items() = item(member->entries[static_cast<size_t>(i)]);
    }
  }
  void Issue() { Send(&Member::issue, &Async::Issue); }
  // How many credentials came.
  int64_t Count() const {
    int64_t issued = 0;
    for (const auto& member : members_) {
      if (!member->issue.status.ok()) continue;
      for (const auto& outcome : member->issue.response.outcomes())
        issued += outcome.has_x509() || outcome.has_jwt() ? 1 : 0;
    }
    return issued;
  }

  double IssuerCpu() const { return CpuSeconds(issuer_.daemon.pid()); }

 private:
  using Async = node::NodeService::StubInterface::async_interface;

  template <class Request, class Response>
  void Send(Exchange<Request, Response> Member::* which,
            void (Async::*method)(grpc::ClientContext*, const Request*, Response*,
                                  std::function<void(grpc::Status)>)) {
    for (const auto& member : members_) {
      auto& exchange = (*member).*which;
      exchange.context = std::make_unique<grpc::ClientContext>();
      exchange.done = {};
      (member->stub->async()->*method)(
          exchange.context.get(), &exchange.request, &exchange.response,
          [&exchange](grpc::Status status) { exchange.done.set_value(std::move(status)); });
    }
    for (const auto& member : members_) {
      auto& exchange = (*member).*which;
      exchange.status = exchange.done.get_future().get();
    }
  }

  // Before the issuer runs, into the database that it will open.
  void PutEntries() {
    auto audit = Must(issuer::AuditLog::Open(
        issuer_.audit_log(),
        Must(issuer::Authority::OpenAuditKey(
            {.directory = issuer_.state_dir() + "/ca", .trust_domain = "example.org"}))));
    const auto store = Must(issuer::OpenSqliteStore(
        {.path = issuer_.state_dir() + "/issuer.db", .trust_domain = "example.org"},
        std::move(audit)));
    for (const auto& member : members_) {
      for (int i = 0; i < kWorkloads; ++i) {
        attest::Entry entry = EntryFor(member->host, "workload/" + std::to_string(i));
        entry.id = issuer::NewEntryId(Time(Duration(i)));
        member->entries.push_back(entry);
        Must(store->CommitAndWait(
            [&](issuer::Transaction& transaction) { return transaction.PutEntry(entry); }));
        ++member->entries.back().revision;
      }
    }
  }

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

// One node may ask twenty times a second.
void Issue(benchmark::State& state, node::IssueItem (*item)(const attest::Entry&)) {
  using Clock = std::chrono::steady_clock;
  static PortFleet fleet;
  fleet.AskFor(state.range(0), item);
  int64_t issued = 0;
  double cpu = 0;
  for (auto _ : state) {
    const auto begin = Clock::now();
    const double cpu_before = fleet.IssuerCpu();
    fleet.Issue();
    state.SetIterationTime(std::chrono::duration<double>(Clock::now() - begin).count());
    cpu += fleet.IssuerCpu() - cpu_before;
    issued += fleet.Count();
    std::this_thread::sleep_until(begin + kRound);
  }
  if (issued != state.iterations() * kHosts * state.range(0))
    state.SkipWithError("a credential was refused");
  state.SetItemsProcessed(issued);
  const double each = cpu / static_cast<double>(issued);
  state.counters["issuer_cpu_us_each"] = each * 1e6;
  state.counters["per_s_and_core"] = 1 / each;
}

// Singly, as workloads ask, and all of a host at once, as after its restart.
void IssueX509ThroughPort(benchmark::State& state) { Issue(state, X509Item); }
void IssueJwtThroughPort(benchmark::State& state) {
  Issue(state, [](const attest::Entry& entry) { return JwtItem(entry); });
}
BENCHMARK(IssueX509ThroughPort)
    ->Arg(1)
    ->Arg(kWorkloads)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(50);
BENCHMARK(IssueJwtThroughPort)
    ->Arg(1)
    ->Arg(kWorkloads)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(50);

}  // namespace
}  // namespace lodekey::test
