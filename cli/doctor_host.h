// doctor's look at everything but the chip.
#pragma once

#include <string>

#include "base/result.h"
#include "base/time.h"
#include "cli/check.h"
#include "lodekey/agent/v1/agent_service.pb.h"
#include "platform/agent_config.h"

namespace lodekey::cli {

// "configuration"; also whether its group exists.
Check CheckConfig(const Result<platform::AgentConfig>& config);

// "boot-log" and "ima-log", by reading them.
Check CheckBootLog(const std::string& path);
Check CheckImaLog(const std::string& path);

// "clock": `now` is this host's, `agent` the agent's (AgentTime). Pure.
Check CheckClock(Time now, Time release, Time agent);

// "agent". Pure.
Check CheckAgent(const Result<agent::v1::Status>& status, Time now);

// "issuer-port": connects to `issuer`, "host:port"; empty: none is known.
Check CheckIssuerPort(const std::string& issuer, Duration limit);

}  // namespace lodekey::cli
