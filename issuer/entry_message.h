// The admin API's calls for entries, both ways.
#pragma once

#include <vector>

#include "base/result.h"
#include "issuer/entry_book.h"
#include "issuer/inventory.h"
#include "lodekey/admin/v1/admin_service.pb.h"

namespace lodekey::issuer {

// Fails as Inventory::Find and attest::ParseSelector do.
Result<EntryFilter> DecodeEntryFilter(const lodekey::admin::v1::ListEntriesRequest& request,
                                      const Inventory& inventory);
lodekey::admin::v1::ListEntriesResponse EncodeEntryPage(const EntryPage& page);

// A change that cannot be read is its error: attest::DecodeEntry's, or kInvalidArgument
// ("entry-invalid") where there is none.
std::vector<Result<EntryChange>> DecodeEntryChanges(
    const lodekey::admin::v1::ApplyEntriesRequest& request);
lodekey::admin::v1::ApplyEntriesResponse EncodeAppliedEntries(const AppliedEntries& outcome);

}  // namespace lodekey::issuer
