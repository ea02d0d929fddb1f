// Imports and approvals as the admin API carries them.
#pragma once

#include <vector>

#include "issuer/approval.h"
#include "issuer/inventory_import.h"
#include "lodekey/admin/v1/admin_service.pb.h"

namespace lodekey::issuer {

std::vector<InventoryRow> DecodeInventoryRows(
    const lodekey::admin::v1::ImportNodesRequest& request);
lodekey::admin::v1::ImportNodesResponse EncodeImportedNodes(const ImportedNodes& outcome);

ApprovalRequest DecodeApproval(const lodekey::admin::v1::AdmitNodesRequest& request);

}  // namespace lodekey::issuer
