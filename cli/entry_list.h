// All entries of the issuer, page by page.
#pragma once

#include <vector>

#include "attest/entry.h"
#include "base/result.h"
#include "cli/session.h"

namespace lodekey::cli {

// At most `limit`; 0: all.
Result<std::vector<attest::Entry>> ListEntries(Session& session,
                                               admin::v1::ListEntriesRequest request,
                                               size_t limit = 0);

}  // namespace lodekey::cli
