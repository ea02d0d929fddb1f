// Nodes of the issuer, page after page.
#pragma once

#include <vector>

#include "base/result.h"
#include "cli/session.h"

namespace lodekey::cli {

Result<std::vector<admin::v1::Node>> ListNodes(Session& session,
                                               admin::v1::ListNodesRequest request);

}  // namespace lodekey::cli
