// Every entry, found by the nodes that it may be for: what a change concerns is looked up, not
// searched for. Pure.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "attest/entry.h"
#include "base/time.h"
#include "issuer/node_record.h"

namespace lodekey::issuer {

using Label = std::pair<std::string, std::string>;

// Not thread-safe. Pointers hold until the entry changes.
class EntryIndex {
 public:
  // In the place of the one with this id.
  void Put(attest::Entry entry);
  void Remove(const std::string& id);
  const attest::Entry* Find(const std::string& id) const;  // null: none

  // Those whose scope has the node; by id, which is the oldest first.
  std::vector<const attest::Entry*> For(const NodeId& node, const attest::Labels& labels) const;

  // Those that ended after `earlier`, and at `later` or before.
  std::vector<const attest::Entry*> EndedBetween(Time earlier, Time later) const;
  bool AnyEndsAfter(Time time) const;

 private:
  struct Kept {
    attest::Entry entry;
    std::optional<Label> label;  // under which it is found; an entry with labels has one
  };
  using Ids = std::set<std::string>;

  // That of the entry's labels under which the fewest are found: one that all nodes have would lead
  // every node to every entry.
  std::optional<Label> ChooseLabel(const attest::NodeScope& scope) const;

  std::map<std::string, Kept> entries_;
  std::unordered_map<NodeId, Ids> by_node_;
  std::map<Label, Ids> by_label_;
  std::set<std::pair<Time, std::string>> ends_;
};

}  // namespace lodekey::issuer
