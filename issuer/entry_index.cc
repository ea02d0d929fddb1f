#include "issuer/entry_index.h"

#include <algorithm>

namespace lodekey::issuer {
namespace {

template <class Map, class Key>
void Drop(Map& map, const Key& key, const std::string& id) {
  const auto found = map.find(key);
  if (found == map.end()) return;
  found->second.erase(id);
  if (found->second.empty()) map.erase(found);
}

}  // namespace

std::optional<Label> EntryIndex::ChooseLabel(const attest::NodeScope& scope) const {
  const auto found_under = [&](const auto& label) {
    const auto ids = by_label_.find(Label(label));
    return ids == by_label_.end() ? 0 : ids->second.size();
  };
  const auto least = std::ranges::min_element(scope.labels, {}, found_under);
  if (least == scope.labels.end()) return std::nullopt;
  return Label(*least);
}

void EntryIndex::Put(attest::Entry entry) {
  Remove(entry.id);
  const std::string id = entry.id;
  for (const NodeId& node : entry.scope.nodes) by_node_[node].insert(id);
  const auto label = ChooseLabel(entry.scope);
  if (label) by_label_[*label].insert(id);
  if (entry.expires != Time()) ends_.emplace(entry.expires, id);
  entries_.emplace(id, Kept{.entry = std::move(entry), .label = label});
}

void EntryIndex::Remove(const std::string& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  const Kept& kept = found->second;
  for (const NodeId& node : kept.entry.scope.nodes) Drop(by_node_, node, id);
  if (kept.label) Drop(by_label_, *kept.label, id);
  ends_.erase({kept.entry.expires, id});
  entries_.erase(found);
}

const attest::Entry* EntryIndex::Find(const std::string& id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second.entry;
}

std::vector<const attest::Entry*> EntryIndex::For(const NodeId& node,
                                                  const attest::Labels& labels) const {
  std::set<std::string_view> ids;
  if (const auto named = by_node_.find(node); named != by_node_.end())
    ids.insert(named->second.begin(), named->second.end());
  for (const auto& label : labels) {
    const auto labelled = by_label_.find(Label(label));
    if (labelled != by_label_.end()) ids.insert(labelled->second.begin(), labelled->second.end());
  }
  std::vector<const attest::Entry*> entries;
  for (const std::string_view id : ids) {
    const attest::Entry& entry = entries_.at(std::string(id)).entry;
    if (attest::InScope(entry.scope, node, labels)) entries.push_back(&entry);
  }
  return entries;
}

std::vector<const attest::Entry*> EntryIndex::EndedBetween(Time earlier, Time later) const {
  std::vector<const attest::Entry*> ended;
  const auto after = [&](Time time) { return ends_.lower_bound({time + Duration(1), ""}); };
  for (auto end = after(earlier); end != after(later); ++end) ended.push_back(Find(end->second));
  return ended;
}

bool EntryIndex::AnyEndsAfter(Time time) const {
  return !ends_.empty() && ends_.rbegin()->first > time;
}

}  // namespace lodekey::issuer
