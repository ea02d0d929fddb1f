#include "issuer/node_name.h"

#include <algorithm>

#include <fmt/format.h>

#include "issuer/node_limits.h"

namespace lodekey::issuer {
namespace {

constexpr size_t kShortestPrefix = 8;

std::string IdOf(const std::string& trust_domain, const std::string& name) {
  const std::string prefix = fmt::format("spiffe://{}/node/", trust_domain);
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

bool IsHexText(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// A prefix names a node when exactly one id begins with it.
Result<std::optional<NodeRecord>> FindByPrefix(View& view, const std::string& prefix) {
  ASSIGN_OR_RETURN(auto found, view.ListNodes(prefix, 2), "find the node");
  std::erase_if(found, [&](const NodeRecord& record) { return !record.id.starts_with(prefix); });
  if (found.size() > 1) {
    return Fail(Code::kConflict, fmt::format("more than one node begins with '{}'", prefix),
                {.name = "node-ambiguous", .advice = "Give more digits of the node's id."});
  }
  if (found.empty()) return std::optional<NodeRecord>();
  return std::optional(std::move(found.front()));
}

}  // namespace

bool IsWholeName(const std::string& trust_domain, const std::string& name) {
  return IsKeyHash(IdOf(trust_domain, name));
}

Result<NodeRecord> FindNodeByName(View& view, const std::string& trust_domain,
                                  const std::string& name) {
  const std::string id = IdOf(trust_domain, name);
  std::optional<NodeRecord> record;
  if (IsKeyHash(id)) {
    ASSIGN_OR_RETURN(record, view.FindNodeByEk(id), "find the node");
  } else if (id.size() >= kShortestPrefix && id.size() < 64 && IsHexText(id)) {
    ASSIGN_OR_RETURN(record, FindByPrefix(view, id), "find the node");
  }
  if (record) return *std::move(record);
  return Fail(Code::kNotFound, fmt::format("there is no node '{}'", name),
              {.name = "node-not-found", .advice = "List the nodes with: lodekey node list"});
}

}  // namespace lodekey::issuer
