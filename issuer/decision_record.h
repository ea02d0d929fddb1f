// A ruling as it is kept, and what is said to whoever it denies something.
#pragma once

#include <string>

#include "base/error.h"
#include "issuer/ruling.h"
#include "issuer/store.h"

namespace lodekey::issuer {

// With the input: what a plan decides again. `entry`: of a workload's credential.
DecisionRecord DecisionRecordOf(const Ruling& ruling, const NodeId& node,
                                const std::string& entry = {});

// Why a denial denies, by its first reason: kDenied.
Error RefusalError(const Ruling& denial);

}  // namespace lodekey::issuer
