// The agent as a host sees it: size, memory, threads, time from start to identity. Medians of
// several runs of the real program against a real issuer on an emulator.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "tests/e2e/deployment.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

constexpr int kRuns = 5;

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// A line "Pss:    1234 kB" or "Threads:  7" of a file in /proc/PID.
double ProcValue(pid_t pid, std::string_view file, std::string_view key) {
  std::ifstream stream(fmt::format("/proc/{}/{}", pid, file));
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with(key)) return std::stod(line.substr(key.size()));
  }
  return 0;
}

void Run() {
  const auto tpm = TestTpm::Create();
  IssuerHost issuer(tpm->vendor.get(), {"/appraisal/accept_new_ak=true"});
  issuer.Init();
  issuer.Start();
  std::vector<double> start_ms, pss_mib, threads;
  for (int i = 0; i < kRuns; ++i) {
    AgentHost agent(issuer.address(), issuer.pin(), tpm->MuxTcti());
    if (i == 0)
      Must(issuer.Admin({"node", "allow", agent.EkHash()}).exit_code == 0
               ? Result<void>()
               : Fail(Code::kInternal, "allow failed"));
    const auto begin = std::chrono::steady_clock::now();
    agent.Start();
    while (agent.daemon.Log().find("enrolled spiffe_id") == std::string::npos) {
      if (std::chrono::steady_clock::now() - begin > std::chrono::seconds(30))
        throw std::runtime_error("no enrolment: " + agent.daemon.Log());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    start_ms.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
            .count());
    if (!agent.WaitForAttestation())
      throw std::runtime_error("no attestation: " + agent.daemon.Log());
    pss_mib.push_back(ProcValue(agent.daemon.pid(), "smaps_rollup", "Pss:") / 1024);
    threads.push_back(ProcValue(agent.daemon.pid(), "status", "Threads:"));
    agent.daemon.Signal(SIGTERM);
    Must(tpm->swtpm->PowerCycle());  // the next run is another boot, and another installation
  }
  const double size =
      static_cast<double>(std::filesystem::file_size(ProgramPath("lodekeyd"))) / 1e6;
  fmt::print("{:<36} {:>10}   {}\n", "lodekeyd", "median", "budget");
  fmt::print("{:<36} {:>7.1f} MB   15 MB (stripped release build)\n", "size of the binary", size);
  fmt::print("{:<36} {:>6.1f} MiB   14 MB\n", "memory when idle (PSS)", Median(pss_mib));
  fmt::print("{:<36} {:>10}   -\n", "threads", Median(threads));
  fmt::print("{:<36} {:>7.0f} ms   -\n", "start to enrolled", Median(start_ms));
}

}  // namespace
}  // namespace lodekey::test

int main() {
  lodekey::test::Run();
  return 0;
}
