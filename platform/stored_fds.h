// Descriptors that the service manager keeps for this program while it restarts (sd_notify(3),
// FDSTORE=1; sd_listen_fds(3)).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "platform/unique_fd.h"

namespace lodekey::platform {

// Those that an earlier run of the program stored under `name`; whatever else was passed is closed.
// Call once, before threads start: it changes the environment.
std::vector<UniqueFd> TakeStoredFds(const std::string& name);

// Whether there is a service manager to store anything with.
bool CanStoreFds();

// The manager keeps a duplicate. It does not say whether it did.
Result<void> StoreFd(const std::string& name, int fd);
// It closes all that it has under this name.
void RemoveStoredFds(const std::string& name);

}  // namespace lodekey::platform
