// The folder law as tables; include_law.h applies them. Changing one of them is changing the
// architecture: docs/architecture.md says the same in prose and changes with it.
#pragma once

#include <string_view>
#include <vector>

namespace lodekey::test {

// One row: what the files of a part may include. Itself, base, the standard library and fmt need no
// mention.
struct PartLaw {
  std::string_view part;
  std::vector<std::string_view> parts;    // of this tree
  std::vector<std::string_view> parties;  // of others

  bool AllowsPart(std::string_view other) const;
  bool AllowsParty(std::string_view party) const;
};

// The row of `part`, or null.
const PartLaw* LawOf(std::string_view part);

// The folders that may stand at the root of the tree.
const std::vector<std::string_view>& KnownFolders();

// The folder below tests/ that `path` lies in, or "" where it is none of those that are known.
std::string_view TestFolder(std::string_view path);

// The files of tpm/, without ending, that make up tpm_wire; all others are tpm_device.
const std::vector<std::string_view>& WireStems();

}  // namespace lodekey::test
