// What the issuer says when it refuses the node altogether, whatever was asked.
#pragma once

#include "base/error.h"

namespace lodekey::agent {

inline bool RefusesNode(const Error& error) {
  const std::string_view name = error.Name();
  return name == "node-refused" || name == "node-removed" || name == "node-quarantined" ||
         name == "node-barred";
}

}  // namespace lodekey::agent
