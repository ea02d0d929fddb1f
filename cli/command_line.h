// From arguments to an exit code.
#pragma once

#include <string>
#include <vector>

#include "cli/session.h"

namespace lodekey::cli {

// Runs one command. `arguments` are without the program's name. Prints to `surroundings`, errors
// included, and returns the exit code. Reads LODEKEY_SOCKET and LODEKEY_ADMIN_SOCKET, and
// removes the former from the environment: the agent's configuration would take it for a setting.
// Call it before threads start.
int RunCommandLine(std::vector<std::string> arguments, Surroundings& surroundings);

// The two sockets, the clock, and the given streams.
Surroundings RealSurroundings(std::ostream& out, std::ostream& err);

}  // namespace lodekey::cli
