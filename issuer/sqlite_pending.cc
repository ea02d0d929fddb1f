#include "issuer/sqlite_pending.h"

#include "issuer/node_limits.h"
#include "issuer/sqlite_rows.h"

namespace lodekey::issuer {

// Of sources that have as many, the one that has the host not seen for longest.
Result<std::optional<WaitingSource>> PendingHosts::LargestSource(bool with_devid) {
  ASSIGN_OR_RETURN(auto largest,
                   ReadOne<WaitingSource>(
                       database_.Prepare("SELECT pending_source, count(*) AS hosts FROM node "
                                         "WHERE pending_since IS NOT NULL AND (devid <> x'') = ?1 "
                                         "GROUP BY pending_source "
                                         "ORDER BY hosts DESC, min(pending_since) LIMIT 1",
                                         uint64_t{with_devid}),
                       [](const Query& row) -> Result<WaitingSource> {
                         WaitingSource source;
                         ASSIGN_OR_RETURN(source.source, row.Text(0, kMaxShownValue),
                                          "read the source");
                         ASSIGN_OR_RETURN(source.hosts, row.Unsigned(1), "read how many");
                         return source;
                       }),
                   "find the largest source");
  if (!largest) return largest;
  ASSIGN_OR_RETURN(
      auto id,
      ReadOne<NodeId>(database_.Prepare("SELECT id FROM node WHERE pending_since IS NOT NULL AND "
                                        "pending_source = ?1 AND (devid <> x'') = ?2 "
                                        "ORDER BY pending_since, id LIMIT 1",
                                        largest->source, uint64_t{with_devid}),
                      [](const Query& row) { return row.Text(0, 64); }),
      "find its host");
  largest->longest_unseen = std::move(id).value_or("");
  return largest;
}

Result<uint64_t> PendingHosts::Count(const std::string& source, bool with_devid) {
  return ReadNumber(
      database_.Prepare("SELECT count(*) FROM node WHERE pending_since IS NOT NULL AND "
                        "pending_source = ?1 AND (devid <> x'') = ?2",
                        source, uint64_t{with_devid}));
}

}  // namespace lodekey::issuer
