#include "agent/run.h"

#include <csignal>
#include <cstdlib>
#include <thread>

#include "agent/agent.h"
#include "agent/local_server.h"
#include "agent/state.h"
#include "crypto/tls_policy.h"
#include "platform/log.h"
#include "platform/process.h"
#include "tpm/device.h"

namespace lodekey::agent {

Result<void> Run(const platform::AgentConfig& config) {
  ASSIGN_OR_RETURN(platform::SignalWaiter signals, platform::SignalWaiter::Create(), "signals");
  // gRPC would log each handshake of a stranger in words of its own; GRPC_VERBOSITY asks for them.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  tpm::SilenceTss();  // now: from here on other threads read the environment
  RETURN_IF_ERROR(crypto::RequireFullTls13Handshakes(), "TLS");
  RETURN_IF_ERROR(crypto::LeaveServerValidityToCaller(), "TLS");
  ASSIGN_OR_RETURN(State state, State::Open(config.state_dir, config.runtime_dir), "state");
  RETURN_IF_ERROR(state.BelongTo(config.trust_domain), "state");
  platform::LogEvent(platform::LogLevel::kInfo, "lodekeyd starts",
                     {{"version", LODEKEY_VERSION},
                      {"trust_domain", config.trust_domain},
                      {"issuer", platform::FormatHostPort(config.issuer)}});
  Agent agent(
      config, std::move(state), [&] { return tpm::Device::Open(config.tcti); },
      IssuerClient::Create);
  ASSIGN_OR_RETURN(const auto server, LocalServer::Start(agent, config.socket, config.group),
                   "local API");
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
