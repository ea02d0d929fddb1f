// The reads of issuer/store.h on one SQLite connection.
#pragma once

#include <concepts>

#include "issuer/sqlite_database.h"
#include "issuer/store.h"

namespace lodekey::issuer {

// Implements the View part of `Interface`: of View itself for readers, of Transaction for the
// writer.
//
// A credential is pending while its audit line is beyond `durable_seq`, so that nothing needs to be
// written when a line becomes durable. A reader must take `durable_seq` before its snapshot begins:
// the store voids credentials before it lets the number pass their lines, so a snapshot that is
// later than the number shows every void.
template <std::derived_from<View> Interface>
class SqliteReads : public Interface {
 public:
  SqliteReads(Database& database, uint64_t durable_seq)
      : database_(database), durable_seq_(durable_seq) {}

  Result<std::optional<NodeRecord>> FindNode(const NodeId& id) override;
  Result<std::optional<NodeRecord>> FindNodeByEk(const std::string& ek_hash) override;
  Result<std::vector<NodeRecord>> ListNodes(const NodeId& after, size_t limit) override;
  Result<std::vector<NodeRecord>> ListNodesOf(Standing standing, const NodeId& after,
                                              size_t limit) override;
  Result<std::vector<ReferencePcr>> ListReferences(const std::string& group) override;
  Result<std::optional<CredentialRecord>> FindCredential(ByteView serial) override;
  Result<std::vector<CredentialRecord>> ListCredentials(const NodeId& node, size_t limit) override;
  Result<std::optional<attest::Entry>> FindEntry(const std::string& id) override;
  Result<std::vector<attest::Entry>> ListEntries(const std::string& after, size_t limit) override;
  Result<uint64_t> CountEntries() override;
  Result<std::optional<std::string>> FindAlike(const attest::Entry& entry) override;
  Result<std::optional<PolicyRecord>> CurrentPolicy() override;
  Result<std::optional<PolicyRecord>> FindPolicy(uint64_t version) override;
  Result<std::vector<PolicyRecord>> ListPolicies(size_t limit) override;
  Result<std::vector<DecisionRecord>> ListDecisions(const DecisionFilter& filter,
                                                    size_t limit) override;
  Result<std::optional<DecisionRecord>> FindDecision(ByteView prefix) override;
  Result<std::optional<DecisionRecord>> LastStanding(const NodeId& node) override;
  Result<uint64_t> CountNodes(Standing standing) override;
  Result<std::optional<NodeId>> FindNodeByDevId(ByteView devid) override;
  Result<bool> HasLog(ByteView digest) override;
  Result<std::optional<Bytes>> FindLog(ByteView digest) override;
  Result<crypto::ChainHead> AuditHead() override;

 protected:
  Database& database() { return database_; }
  uint64_t durable_seq() const { return durable_seq_; }

 private:
  Database& database_;
  uint64_t durable_seq_;
};

using SqliteView = SqliteReads<View>;

extern template class SqliteReads<View>;
extern template class SqliteReads<Transaction>;

}  // namespace lodekey::issuer
