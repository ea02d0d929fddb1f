#include "issuer/inventory_import.h"

#include <map>

#include <fmt/format.h>

#include "issuer/rehearsal.h"

namespace lodekey::issuer {
namespace {

// Of the row; what else keeps a transaction from going on ends it.
bool IsRefusal(const Error& error) {
  return error.code == Code::kInvalidArgument || error.code == Code::kConflict ||
         error.code == Code::kDenied;
}

// What an operator ended is not begun again by a list that was made before.
Result<void> CheckNotEnded(const AllowedNode& node) {
  const bool ended =
      node.before == "removed" || node.before == "barred" || node.before == "quarantined";
  if (!ended) return {};
  return Fail(Code::kDenied, fmt::format("node {} is {}", node.record.id, node.before),
              {.name = "node-" + node.before,
               .advice = "Take the row out, or, if the host is to come back: lodekey node allow " +
                         node.record.id});
}

// One call within its transaction.
class Import {
 public:
  Import(Transaction& transaction, Time now, const std::string& actor)
      : transaction_(transaction), now_(now), actor_(actor) {}

  Result<ImportedNode> Take(size_t index, const InventoryRow& row) {
    auto allowed = AllowIn(transaction_, row.ek_hash, row.labels, now_);
    if (!allowed) return std::unexpected(std::move(allowed.error()));
    AllowedNode& node = *allowed;
    const auto [first, is_first] = rows_.emplace(node.record.id, index);
    if (!is_first) return Duplicate(first->second, node.record.id);
    if (auto kept = CheckNotEnded(node); !kept) return std::unexpected(kept.error());
    ImportedNode imported{
        .id = node.record.id, .created = node.before == "new", .changed = node.changed};
    if (!node.changed) return imported;
    node.record.updated = now_;
    if (auto put = transaction_.PutNode(node.record); !put) return std::unexpected(put.error());
    transaction_.Audit(OperatorRecord(AllowAction(node.record, node.before, actor_), now_));
    return imported;
  }

 private:
  static std::unexpected<Error> Duplicate(size_t first, const NodeId& id) {
    return Fail(Code::kConflict, fmt::format("row {} is of the same node, {}", first + 1, id),
                {.name = "row-duplicate", .advice = "Keep one row for each host."});
  }

  Transaction& transaction_;
  const Time now_;
  const std::string& actor_;
  std::map<NodeId, size_t> rows_;  // the first of each node
};

Result<ImportedNodes> TakeAll(Import import, const std::vector<InventoryRow>& rows) {
  ImportedNodes outcome;
  for (size_t index = 0; index < rows.size(); ++index) {
    auto imported = import.Take(index, rows[index]);
    if (imported) {
      outcome.imported.push_back(*std::move(imported));
    } else if (IsRefusal(imported.error())) {
      outcome.refused.push_back({.index = index, .error = std::move(imported.error())});
    } else {
      return std::unexpected(std::move(imported.error()));
    }
  }
  if (!outcome.refused.empty()) outcome.imported.clear();
  return outcome;
}

}  // namespace

Result<ImportedNodes> ImportNodes(const Context& context, const std::vector<InventoryRow>& rows,
                                  bool dry_run, const std::string& actor) {
  if (rows.size() > kMaxImportRows) {
    return Fail(Code::kInvalidArgument,
                fmt::format("{} rows; one call takes at most {}", rows.size(), kMaxImportRows),
                {.name = "too-many-rows", .advice = "Import them in several parts."});
  }
  ImportedNodes outcome;
  ASSIGN_OR_RETURN(const bool kept,
                   CommitIfKept(context.store,
                                [&](Transaction& transaction) -> Result<bool> {
                                  ASSIGN_OR_RETURN(
                                      outcome, TakeAll({transaction, context.now(), actor}, rows),
                                      "import");
                                  return !dry_run && outcome.refused.empty();
                                }),
                   "inventory");
  if (!kept) return outcome;
  for (const ImportedNode& node : outcome.imported) {
    if (node.changed) context.node_changed(node.id);
  }
  return outcome;
}

}  // namespace lodekey::issuer
