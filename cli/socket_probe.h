// Does anything answer there? Connects and hangs up.
#pragma once

#include <string>

#include "base/result.h"
#include "base/time.h"
#include "platform/host_port.h"

namespace lodekey::cli {

// The text says what the system said: no such file, connection refused, permission denied.
// kNotFound, kHardware ("file-permission") or kUnavailable.
Result<void> ProbeUnixSocket(const std::string& path);

// Tries each address of the host in turn, `limit` for all of them; looking up the name is not
// counted. kUnavailable.
Result<void> ProbeTcp(const platform::HostPort& address, Duration limit);

}  // namespace lodekey::cli
