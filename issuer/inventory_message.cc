#include "issuer/inventory_message.h"

#include "attest/codec.h"

namespace lodekey::issuer {
namespace {

namespace admin = lodekey::admin::v1;

std::vector<SeenHost> SeenHosts(const admin::AdmitNodesRequest& request) {
  std::vector<SeenHost> hosts;
  hosts.reserve(static_cast<size_t>(request.seen_size()));
  for (const admin::SeenNode& seen : request.seen())
    hosts.push_back({.id = seen.id(), .appearance = attest::FromField(seen.appearance())});
  return hosts;
}

NodeLabels LabelsOf(const google::protobuf::Map<std::string, std::string>& labels) {
  return {labels.begin(), labels.end()};
}

}  // namespace

std::vector<InventoryRow> DecodeInventoryRows(const admin::ImportNodesRequest& request) {
  std::vector<InventoryRow> rows;
  rows.reserve(static_cast<size_t>(request.rows_size()));
  for (const admin::InventoryRow& row : request.rows())
    rows.push_back({.ek_hash = row.ek_hash(), .labels = LabelsOf(row.labels())});
  return rows;
}

admin::ImportNodesResponse EncodeImportedNodes(const ImportedNodes& outcome) {
  admin::ImportNodesResponse response;
  for (const ImportedNode& imported : outcome.imported) {
    admin::ImportedNode& message = *response.add_imported();
    message.set_id(imported.id);
    message.set_created(imported.created);
    message.set_changed(imported.changed);
  }
  for (const RefusedRow& refused : outcome.refused) {
    admin::RefusedRow& message = *response.add_refused();
    message.set_index(static_cast<uint32_t>(refused.index));
    message.set_code(std::string(refused.error.Name()));
    message.set_text(refused.error.text);
    message.set_advice(refused.error.advice);
  }
  return response;
}

ApprovalRequest DecodeApproval(const admin::AdmitNodesRequest& request) {
  return {.nodes = {request.nodes().begin(), request.nodes().end()},
          .seen = SeenHosts(request),
          .deny = request.deny(),
          .labels = LabelsOf(request.labels()),
          .dry_run = request.dry_run()};
}

}  // namespace lodekey::issuer
