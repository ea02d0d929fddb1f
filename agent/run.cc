#include "agent/run.h"

#include <csignal>
#include <cstdlib>
#include <thread>

#include "agent/agent.h"
#include "agent/attestation_pool.h"
#include "agent/executable_digest.h"
#include "agent/local_server.h"
#include "agent/state.h"
#include "agent/unix_attestor.h"
#include "agent/workload_inspection.h"
#include "agent/workload_server.h"
#include "crypto/tls_policy.h"
#include "platform/log.h"
#include "platform/process.h"
#include "platform/stored_fds.h"
#include "tpm/device.h"

namespace lodekey::agent {

Result<void> Run(const platform::AgentConfig& config) {
  ASSIGN_OR_RETURN(platform::SignalWaiter signals, platform::SignalWaiter::Create(), "signals");
  // gRPC would log each handshake of a stranger in words of its own; GRPC_VERBOSITY asks for them.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  tpm::SilenceTss();
  const auto stored = platform::TakeStoredFds(kStoredWorkloads);
  // From here on other threads read the environment.
  RETURN_IF_ERROR(crypto::RequireFullTls13Handshakes(), "TLS");
  RETURN_IF_ERROR(crypto::LeaveServerValidityToCaller(), "TLS");
  RETURN_IF_ERROR(platform::RaiseFileLimit(), "limits");
  ASSIGN_OR_RETURN(State state, State::Open(config.state_dir, config.runtime_dir), "state");
  RETURN_IF_ERROR(state.BelongTo(config.trust_domain), "state");
  platform::LogEvent(platform::LogLevel::kInfo, "lodekeyd starts",
                     {{"version", LODEKEY_VERSION},
                      {"trust_domain", config.trust_domain},
                      {"issuer", platform::FormatHostPort(config.issuer)}});
  Agent agent(
      config, std::move(state), [&] { return tpm::Device::Open(config.tcti); },
      IssuerClient::Create);
  agent.RestoreWorkloads(stored);
  ExecutableDigests digests;
  AttestationPool::Attestors attestors;
  attestors.push_back(std::make_unique<UnixAttestor>(digests));
  AttestationPool pool(std::move(attestors));
  SvidBook& book = agent.workloads().book();
  const WorkloadInspection inspection(pool, book, agent.workloads().refusals());
  ASSIGN_OR_RETURN(const auto server,
                   LocalServer::Start(agent, inspection, config.socket, config.group), "local API");
  ASSIGN_OR_RETURN(const auto workload_server,
                   WorkloadServer::Start({.socket = config.workload_socket,
                                          .caller_identification = config.caller_identification,
                                          .limit = {.connections = config.max_connections_per_user,
                                                    .streams = config.max_streams_per_user,
                                                    .pending = config.max_pending_per_user}},
                                         {.pool = pool,
                                          .book = book,
                                          .tokens = agent.workloads().tokens(),
                                          .now = [&] { return agent.Now(); }}),
                   "Workload API");
  std::thread loop([&] { agent.Run(); });
  platform::NotifyReady("starting");
  for (;;) {
    const auto signal = signals.Wait();
    if (signal == SIGTERM || signal == SIGINT) break;
  }
  platform::NotifyStopping();
  agent.Stop();
  loop.join();
  platform::LogEvent(platform::LogLevel::kInfo, "lodekeyd stops");
  return {};
}

}  // namespace lodekey::agent
