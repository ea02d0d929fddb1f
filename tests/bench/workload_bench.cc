// The Workload API as a workload sees it, with the real programs: latency on new and kept
// connections, the price of a digest as selector, memory of streams, how soon a withdrawal arrives,
// and the agent's rest. Started with "fetch" it is the workload itself.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include "platform/unique_fd.h"
#include "spiffe/workload.grpc.pb.h"
#include "tests/e2e/deployment.h"
#include "tests/e2e/supervisor.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using Clock = std::chrono::steady_clock;
using Stub = SpiffeWorkloadAPI::Stub;

constexpr int kCalls = 1000;
constexpr int kNewConnections = 300;
constexpr int kStreams = 1000;
constexpr size_t kBigExecutable = size_t{100} << 20;
constexpr auto kMinute = std::chrono::seconds(60);

double MillisecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

double Percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const auto rank = static_cast<size_t>(share * static_cast<double>(values.size() - 1));
  return values[rank];
}

// --- a workload
// -----------------------------------------------------------------------------------

std::shared_ptr<grpc::Channel> Connect(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

void Prepare(grpc::ClientContext& context) {
  context.AddMetadata("workload.spiffe.io", "true");
  context.set_wait_for_ready(true);
}

// The first message of the stream, as a client that wants its identity now.
bool FetchX509(Stub& stub) {
  grpc::ClientContext context;
  Prepare(context);
  const auto reader = stub.FetchX509SVID(&context, X509SVIDRequest());
  X509SVIDResponse response;
  const bool read = reader->Read(&response) && response.svids_size() > 0;
  context.TryCancel();
  static_cast<void>(reader->Finish());
  return read;
}

// Whether somebody listens there.
bool Knock(const std::string& socket) {
  const platform::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  socket.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

bool FetchJwt(Stub& stub) {
  grpc::ClientContext context;
  Prepare(context);
  JWTSVIDRequest request;
  request.add_audience("bench");
  JWTSVIDResponse response;
  return stub.FetchJWTSVID(&context, request, &response).ok() && response.svids_size() > 0;
}

// fetch SOCKET x509|jwt new|kept COUNT: prints the milliseconds of each call.
int Fetch(const std::string& socket, const std::string& kind, bool kept, int count) {
  const auto fetch = kind == "jwt" ? FetchJwt : FetchX509;
  Stub shared(Connect(socket));
  for (int i = 0; i < count; ++i) {
    const auto begin = Clock::now();
    bool fetched = false;
    if (kept) {
      fetched = fetch(shared);
    } else {
      Stub fresh(Connect(socket));
      fetched = fetch(fresh);
    }
    if (!fetched) return EXIT_FAILURE;
    fmt::print("{:.4f}\n", MillisecondsSince(begin));
  }
  return EXIT_SUCCESS;
}

// --- the deployment
// -------------------------------------------------------------------------------

// A line "Pss:    1234 kB" of a file in /proc/PID.
double ProcValue(pid_t pid, std::string_view file, std::string_view key) {
  std::ifstream stream(fmt::format("/proc/{}/{}", pid, file));
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with(key)) return std::stod(line.substr(key.size()));
  }
  return 0;
}
double PssKib(const Daemon& daemon) { return ProcValue(daemon.pid(), "smaps_rollup", "Pss:"); }

// Seconds of CPU that the process has used so far.
double CpuSeconds(pid_t pid) {
  std::ifstream stream(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(stream, text);
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;  // to utime, field 14 of proc(5)
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::vector<double> RunWorkload(const std::string& program, const std::string& socket,
                                const std::string& kind, const std::string& connection, int count) {
  const Finished finished =
      RunProgram({program, "fetch", socket, kind, connection, std::to_string(count)}, 120);
  if (finished.exit_code != 0)
    throw std::runtime_error(fmt::format("{} {} failed: {}", kind, connection, finished.err));
  std::istringstream lines(finished.out);
  std::vector<double> times;
  for (double time = 0; lines >> time;) times.push_back(time);
  return times;
}

void PrintLatency(const std::string& what, const std::vector<double>& times,
                  const std::string& budget) {
  fmt::print("{:<44} {:>7.2f} / {:>6.2f} ms   {}\n", what, Percentile(times, 0.5),
             Percentile(times, 0.99), budget);
}

void Require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

std::string CreateEntry(const IssuerHost& issuer, const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {"entry", "create"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const Finished made = issuer.Admin(command);
  Require(made.exit_code == 0, "entry create: " + made.err);
  return nlohmann::json::parse(made.out).at("entries").at(0).at("after").at("id");
}

// A program of 100 MiB: this one, and what nobody reads behind it.
std::string MakeBigProgram(const TempDir& directory) {
  const std::string path = directory / "big_workload";
  std::filesystem::copy_file("/proc/self/exe", path);
  std::filesystem::resize_file(path, kBigExecutable);
  return path;
}

// How long it takes from `act` until a stream of this process ends.
double TimeToEnd(const std::string& socket, const std::function<void()>& act) {
  Stub stub(Connect(socket));
  grpc::ClientContext context;
  Prepare(context);
  const auto reader = stub.FetchX509SVID(&context, X509SVIDRequest());
  X509SVIDResponse response;
  Require(reader->Read(&response), "no identity before the withdrawal");
  Clock::time_point begin;
  std::thread actor([&] {
    begin = Clock::now();
    act();
  });
  while (reader->Read(&response)) {
  }
  const auto end = Clock::now();
  const grpc::Status status = reader->Finish();
  actor.join();
  Require(status.error_code() == grpc::StatusCode::PERMISSION_DENIED,
          "the stream ended otherwise: " + status.error_message());
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

// An open stream on a connection of its own.
struct OpenStream {
  explicit OpenStream(const std::string& socket) : stub(Connect(socket)) {
    Prepare(context);
    reader = stub.FetchX509SVID(&context, X509SVIDRequest());
    X509SVIDResponse response;
    Require(reader->Read(&response), "a stream was refused");
  }
  ~OpenStream() {
    context.TryCancel();
    static_cast<void>(reader->Finish());
  }
  Stub stub;
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<X509SVIDResponse>> reader;
};

void MeasureStreams(const AgentHost& agent, const std::string& socket) {
  const double before = PssKib(agent.daemon);
  double open = 0;
  {
    std::vector<std::unique_ptr<OpenStream>> streams;
    for (int i = 0; i < kStreams; ++i) streams.push_back(std::make_unique<OpenStream>(socket));
    std::this_thread::sleep_for(std::chrono::seconds(2));
    open = PssKib(agent.daemon);
  }
  std::this_thread::sleep_for(kMinute);
  const double after = PssKib(agent.daemon);
  fmt::print("{:<44} {:>13.1f} KiB   45 KiB\n", "memory per stream, 1,000 connections",
             (open - before) / kStreams);
  fmt::print("{:<44} {:>13.1f} KiB   given back\n", "of that kept a minute after they closed",
             (after - before) / kStreams);
}

void MeasureRest(const AgentHost& agent) {
  const double before = CpuSeconds(agent.daemon.pid());
  std::this_thread::sleep_for(kMinute);
  const double used = CpuSeconds(agent.daemon.pid()) - before;
  fmt::print("{:<44} {:>15.3f} %   0.05 %\n", "CPU when idle, over a minute", used / 60 * 100);
}

// The whole of a restart within the boot, until a client that knocks all the time has its SVID:
// what the old process takes to end is not counted.
double TimeOfRestart(Supervisor& supervisor) {
  const std::string socket = supervisor.WorkloadSocket();
  std::atomic<bool> served = false;
  std::atomic<Clock::rep> begin = 0;
  std::atomic<Clock::rep> end = 0;
  std::thread client([&] {
    while (begin == 0) std::this_thread::sleep_for(std::chrono::microseconds(100));
    while (!Knock(socket)) std::this_thread::sleep_for(std::chrono::microseconds(500));
    Stub stub(Connect(socket));
    served = FetchX509(stub);
    end = Clock::now().time_since_epoch().count();
  });
  supervisor.Restart([&] { begin = Clock::now().time_since_epoch().count(); });
  client.join();
  Require(served, "no identity after the restart: " + supervisor.Log());
  return std::chrono::duration<double, std::milli>(Clock::duration(end - begin)).count();
}

void MeasureRestarts() {
  const auto tpm = TestTpm::Create();
  IssuerHost issuer(tpm->vendor.get(), {"attestation.interval=10m"});
  issuer.Init();
  issuer.Start();
  std::string node;
  {
    const AgentHost host(issuer.address(), issuer.pin(), tpm->MuxTcti());
    node = host.EkHash();
  }
  Require(issuer.Admin({"node", "allow", node}).exit_code == 0, "allow failed");
  CreateEntry(issuer, {"--spiffe-id", fmt::format("spiffe://{}/restart", kTrustDomain), "--node",
                       node, "--selector", fmt::format("unix:uid:{}", ::getuid())});
  const auto supervisor = SuperviseByTest({.issuer_address = issuer.address(),
                                           .pin = issuer.pin(),
                                           .tcti = tpm->MuxTcti(),
                                           .tpm_directory = tpm->directory.path()});
  supervisor->Start();
  Require(Eventually([&] {
            return Knock(supervisor->WorkloadSocket()) &&
                   supervisor->Run({"svid", "fetch", "x509"}).exit_code == 0;
          }),
          "no identity: " + supervisor->Log());
  std::this_thread::sleep_for(std::chrono::seconds(2));  // until it is stored
  std::vector<double> online;
  std::vector<double> offline;
  for (int i = 0; i < 5; ++i) online.push_back(TimeOfRestart(*supervisor));
  issuer.daemon.Signal(SIGTERM);
  for (int i = 0; i < 5; ++i) offline.push_back(TimeOfRestart(*supervisor));
  PrintLatency("restart within the boot to first SVID, online", online, "60 ms");
  PrintLatency("... with the issuer away", offline, "60 ms");
}

void Run() {
  const auto tpm = TestTpm::Create();
  // As in operation: the deployment's usual second between attestations would be all one sees.
  IssuerHost issuer(tpm->vendor.get(), {"attestation.interval=10m"});
  issuer.Init();
  issuer.Start();
  AgentHost agent(issuer.address(), issuer.pin(), tpm->MuxTcti());
  const std::string node = agent.EkHash();
  Require(issuer.Admin({"node", "allow", node}).exit_code == 0, "allow failed");
  agent.Start();
  Require(agent.WaitForPhase("enrolled"), "no enrolment: " + agent.daemon.Log());
  const std::string socket = agent.directory / "run/workload.sock";
  const std::string uid = fmt::format("unix:uid:{}", ::getuid());
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const auto create = [&](const std::string& name) {
    return CreateEntry(issuer, {"--spiffe-id", fmt::format("spiffe://{}/{}", kTrustDomain, name),
                                "--node", node, "--selector", uid, "--jwt-audience", "*"});
  };
  const std::string entry = create("bench");
  Require(Eventually([&] {
            return RunProgram({self, "fetch", socket, "x509", "new", "1"}).exit_code == 0;
          }),
          "no identity: " + agent.daemon.Log());

  fmt::print("{:<44} {:>19}   {}\n", "Workload API", "p50 /    p99", "budget");
  PrintLatency("FetchX509SVID, new connection",
               RunWorkload(self, socket, "x509", "new", kNewConnections), "1.2 / 4.5 ms");
  PrintLatency("FetchX509SVID, kept connection", RunWorkload(self, socket, "x509", "kept", kCalls),
               "0.5 / 2 ms");
  PrintLatency("FetchJWTSVID, new connection",
               RunWorkload(self, socket, "jwt", "new", kNewConnections), "-");
  PrintLatency("FetchJWTSVID, kept connection", RunWorkload(self, socket, "jwt", "kept", kCalls),
               "-");

  const std::string big = MakeBigProgram(agent.directory);
  std::this_thread::sleep_for(std::chrono::seconds(3));  // until its time of change has settled
  const auto without = RunWorkload(big, socket, "x509", "kept", kCalls);
  const Finished digest = RunProgram({"/usr/bin/sha256sum", big});
  CreateEntry(issuer,
              {"--spiffe-id", fmt::format("spiffe://{}/digest", kTrustDomain), "--node", node,
               "--selector", uid, "--selector", "unix:sha256:" + digest.out.substr(0, 64)});
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const auto first = RunWorkload(big, socket, "x509", "kept", 1);
  const auto with = RunWorkload(big, socket, "x509", "kept", kCalls);
  PrintLatency("the same, executable of 100 MiB", without, "-");
  PrintLatency("... its SHA-256 as selector, the first call", first, "-");
  PrintLatency("... later", with, "1 ms more");

  std::vector<double> ends;
  std::string last = entry;
  Require(issuer.Admin({"entry", "delete", last}).exit_code == 0, "delete failed");
  for (int i = 0; i < 5; ++i) {
    last = create(fmt::format("short-{}", i));
    Require(Eventually([&] {
              return RunProgram({self, "fetch", socket, "x509", "new", "1"}).exit_code == 0;
            }),
            "no identity again");
    ends.push_back(TimeToEnd(socket, [&] { issuer.Admin({"entry", "delete", last}); }));
  }
  PrintLatency("entry deleted (command included) to stream end", ends, "1 s");

  create("streams");
  Require(Eventually([&] {
            return RunProgram({self, "fetch", socket, "x509", "new", "1"}).exit_code == 0;
          }),
          "no identity again");
  MeasureStreams(agent, socket);
  MeasureRest(agent);
  const double removed = TimeToEnd(socket, [&] { issuer.Admin({"node", "remove", node}); });
  PrintLatency("node removed (command included) to stream end", {removed}, "1 s");
}

}  // namespace
}  // namespace lodekey::test

int main(int argc, char** argv) {
  using namespace lodekey::test;
  if (argc == 6 && std::string_view(argv[1]) == "fetch")
    return Fetch(argv[2], argv[3], std::string_view(argv[4]) == "kept", std::atoi(argv[5]));
  Run();
  MeasureRestarts();
  return EXIT_SUCCESS;
}
