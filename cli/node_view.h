// Nodes of the issuer, as people and programs read them. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "cli/explain.h"
#include "cli/json.h"
#include "lodekey/admin/v1/admin_service.pb.h"

namespace lodekey::cli {

// The first 16 digits: enough to name a node to the issuer.
std::string ShortNodeId(const std::string& id);

// Empty, or what keeps `text` from naming a node: for CLI11. The issuer takes no shorter prefix.
std::string CheckNodeName(const std::string& text);
// The same where a prefix will not do.
std::string CheckWholeNodeName(const std::string& text);

// What the node's standing means, and what to do about it; two lines at most.
std::string StandingSentence(const admin::v1::Node& node, Time now);
// For its last verdict behind that sentence.
ExplainContext NodeContext(const admin::v1::Node& node);

std::string NodeListText(const std::vector<admin::v1::Node>& nodes);
// Hosts that wait for approval, with what each showed.
std::string PendingListText(const std::vector<admin::v1::Node>& nodes);
// What became of them.
std::string SettledText(const admin::v1::AdmitNodesResponse& response, bool denied, bool dry_run);
std::string NodeText(const admin::v1::Node& node, Time now);
Json NodeJson(const admin::v1::Node& node);
Json NodesJson(const std::vector<admin::v1::Node>& nodes);
Json PcrValuesJson(const google::protobuf::RepeatedPtrField<admin::v1::PcrValue>& values);

}  // namespace lodekey::cli
