// The fields of an entry as options, named as those of `spire-server entry create` where that has
// them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attest/entry.h"
#include "base/result.h"
#include "cli/session.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace lodekey::cli {

// What was not given is nothing, or empty.
struct EntryFlags {
  std::optional<std::string> spiffe_id = {};
  std::vector<std::string> selectors = {};
  std::vector<std::string> nodes = {};  // as ShowNode takes them
  std::vector<std::string> node_labels = {};
  std::optional<std::string> x509_svid_ttl = {};
  std::optional<std::string> jwt_svid_ttl = {};
  std::vector<std::string> dns_names = {};
  std::optional<std::string> common_name = {};
  std::optional<std::string> hint = {};
  std::vector<std::string> jwt_audiences = {};
  std::optional<std::string> owner = {};
  std::optional<std::string> expires = {};
  bool prefetch = false;
  std::vector<std::string> clear = {};  // names of options
};

// Returns --spiffe-id.
CLI::Option* AddEntryFlags(CLI::App& command, EntryFlags& flags);
// --clear.
void AddClearFlag(CLI::App& command, EntryFlags& flags);

// Clears what is to be cleared, then sets what was given; the issuer says which nodes are meant.
Result<void> SetFields(Session& session, const EntryFlags& flags, attest::Entry& entry);

}  // namespace lodekey::cli
