// Rows of a query as values.
#pragma once

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "issuer/sqlite_database.h"

namespace lodekey::issuer {

// `read`: Result<Row>(const Query&).
template <class Row>
Result<std::optional<Row>> ReadOne(Result<Query> query, auto read) {
  if (!query) return std::unexpected(std::move(query.error()));
  ASSIGN_OR_RETURN(const bool found, query->Step(), "query the database");
  if (!found) return std::optional<Row>();
  ASSIGN_OR_RETURN(Row row, read(*query), "read a row");
  return std::optional<Row>(std::move(row));
}

template <class Row>
Result<std::vector<Row>> ReadAll(Result<Query> query, auto read) {
  if (!query) return std::unexpected(std::move(query.error()));
  std::vector<Row> rows;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query->Step(), "query the database");
    if (!found) return rows;
    ASSIGN_OR_RETURN(Row row, read(*query), "read a row");
    rows.push_back(std::move(row));
  }
}

// Of a query that always gives one row: count(*) and its like.
inline Result<uint64_t> ReadNumber(Result<Query> query) {
  if (!query) return std::unexpected(std::move(query.error()));
  RETURN_IF_ERROR(query->Step(), "query the database");
  return query->Unsigned(0);
}

// LIMIT takes a signed number.
inline uint64_t AsLimit(size_t limit) {
  return std::min<uint64_t>(limit, std::numeric_limits<int32_t>::max());
}

}  // namespace lodekey::issuer
