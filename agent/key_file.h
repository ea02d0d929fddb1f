// The secret of a key of ours in the TPM, as a file: what makes it ours alone (docs/protocol.md,
// Files of the agent).
#pragma once

#include <string>

#include "base/result.h"
#include "tpm/device.h"

namespace lodekey::agent {

// Reads the file, or makes a fresh secret and stores it (0600) where there is none. kUntrusted
// ("key-file-corrupt") when it is not such a file: it is never replaced silently, since the key of
// this boot would be lost with it.
Result<tpm::KeySecret> ReadOrMakeKeySecret(const std::string& path);

}  // namespace lodekey::agent
