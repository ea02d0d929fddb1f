#include "issuer/sqlite_policies.h"

#include <fmt/format.h>

#include "issuer/sqlite_rows.h"
#include "issuer/store_limits.h"

namespace lodekey::issuer {
namespace {

#define LODEKEY_POLICY_COLUMNS                                                           \
  "version, digest, applied, applied_by, note, rolled_back_to, signed_version, signer, " \
  "signature, allows_all"

// Columns of every query for policies; the content, where it is asked for, after them.
Result<PolicyRecord> ReadSummary(const Query& row) {
  PolicyRecord record;
  ASSIGN_OR_RETURN(record.version, row.Unsigned(0), "read the version");
  ASSIGN_OR_RETURN(record.digest, row.Blob(1, 32), "read the digest");
  ASSIGN_OR_RETURN(record.applied, row.TimeAt(2), "read when it was applied");
  ASSIGN_OR_RETURN(record.applied_by, row.Text(3, kMaxApprover), "read who applied it");
  ASSIGN_OR_RETURN(record.note, row.Text(4, kMaxPolicyNote), "read the note");
  ASSIGN_OR_RETURN(record.rolled_back_to, row.Unsigned(5), "read what it brought back");
  ASSIGN_OR_RETURN(record.signed_version, row.Unsigned(6), "read the signer's version");
  ASSIGN_OR_RETURN(record.signer, row.Blob(7, 32), "read the signer");
  ASSIGN_OR_RETURN(record.signature, row.Blob(8, 64), "read the signature");
  ASSIGN_OR_RETURN(const uint64_t allows_all, row.Unsigned(9), "read whether it allows all");
  record.allows_all = allows_all != 0;
  return record;
}

Result<PolicyRecord> ReadPolicy(const Query& row) {
  ASSIGN_OR_RETURN(PolicyRecord record, ReadSummary(row), "read a policy");
  ASSIGN_OR_RETURN(const Bytes content, row.Blob(10, kMaxPolicyContent), "read the content");
  record.content = AsText(content);
  RETURN_IF_ERROR(CheckPolicy(record), "read a policy");
  return record;
}

}  // namespace

Result<std::optional<PolicyRecord>> PolicyTable::Current() {
  return ReadOne<PolicyRecord>(
      database_.Prepare("SELECT " LODEKEY_POLICY_COLUMNS
                        ", content FROM policy ORDER BY version DESC LIMIT 1"),
      ReadPolicy);
}

Result<std::optional<PolicyRecord>> PolicyTable::Find(uint64_t version) {
  return ReadOne<PolicyRecord>(
      database_.Prepare("SELECT " LODEKEY_POLICY_COLUMNS ", content FROM policy WHERE version = ?1",
                        version),
      ReadPolicy);
}

Result<std::vector<PolicyRecord>> PolicyTable::List(size_t limit) {
  return ReadAll<PolicyRecord>(database_.Prepare("SELECT " LODEKEY_POLICY_COLUMNS
                                                 " FROM policy ORDER BY version DESC LIMIT ?1",
                                                 AsLimit(limit)),
                               ReadSummary);
}

Result<void> PolicyTable::Put(const PolicyRecord& record) {
  RETURN_IF_ERROR(CheckPolicy(record), "store a policy");
  ASSIGN_OR_RETURN(const uint64_t last,
                   ReadNumber(database_.Prepare("SELECT ifnull(max(version), 0) FROM policy")),
                   "find the last policy");
  ASSIGN_OR_RETURN(
      const uint64_t last_signed,
      ReadNumber(database_.Prepare("SELECT ifnull(max(signed_version), 0) FROM policy")),
      "find the last signed policy");
  const bool older = record.signed_version != 0 && record.signed_version < last_signed;
  if (record.version != last + 1 || older) {
    return Fail(Code::kConflict,
                older ? fmt::format("the signature is of version {}, after one of version {}",
                                    record.signed_version, last_signed)
                      : fmt::format("version {} does not follow version {}", record.version, last),
                {.name = "policy-changed"});
  }
  return database_.Run("INSERT INTO policy (" LODEKEY_POLICY_COLUMNS
                       ", content) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                       record.version, record.digest, record.applied, record.applied_by,
                       record.note, record.rolled_back_to, record.signed_version, record.signer,
                       record.signature, uint64_t{record.allows_all}, AsBytes(record.content));
}

}  // namespace lodekey::issuer
