// node pending, approve, deny: hosts that proved their TPM and wait for somebody to let them in.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/labels.h"
#include "cli/node_list.h"
#include "cli/node_view.h"
#include "cli/session.h"

namespace lodekey::cli {
namespace {

namespace api = lodekey::admin::v1;

struct ApprovalArguments {
  std::vector<std::string> nodes = {};
  std::vector<std::string> match = {};
  std::vector<std::string> labels = {};
  bool all = false;
  bool dry_run = false;
};

constexpr int kMaxSeen = 1000;  // hosts of one call: the answer has a node for each

Result<std::vector<api::Node>> ListWaiting(Session& session) {
  api::ListNodesRequest request;
  request.set_standing("pending");
  return ListNodes(session, std::move(request));
}

Result<ExitCode> Pending(Session& session, const ApprovalArguments&) {
  const auto nodes = ListWaiting(session);
  if (!nodes) return std::unexpected(nodes.error());
  if (session.json()) {
    session.PrintJson({{"nodes", NodesJson(*nodes)}});
  } else {
    session.Print(PendingListText(*nodes));
  }
  return ExitCode::kDone;
}

// Everything that waits is never meant by leaving something out.
Result<void> CheckWhich(const ApprovalArguments& arguments) {
  if (arguments.all != arguments.nodes.empty()) {
    return FailUsage(arguments.all ? "--all goes without names of nodes" : "no node is named",
                     "Name nodes, or give --all for each that waits, and --match to narrow it.");
  }
  if (arguments.match.empty() || arguments.all) return {};
  return FailUsage("--match goes with --all", "Give --all --match NAME=VALUE.");
}

bool Has(const google::protobuf::Map<std::string, std::string>& texts, const std::string& name,
         const std::string& value) {
  const auto found = texts.find(name);
  return found != texts.end() && found->second == value;
}

bool Matches(const api::Node& node, const Labels& match) {
  return std::ranges::all_of(match, [&](const auto& wanted) {
    return Has(node.shown(), wanted.first, wanted.second) ||
           Has(node.labels(), wanted.first, wanted.second);
  });
}

// Those that wait now and match. They are printed, and they alone are settled, as they look here:
// what comes or changes meanwhile nobody has seen.
Result<api::AdmitNodesResponse> SettleSeen(Session& session, const Labels& match,
                                           const api::AdmitNodesRequest& what) {
  auto nodes = ListWaiting(session);
  if (!nodes) return std::unexpected(nodes.error());
  std::erase_if(*nodes, [&](const api::Node& node) { return !Matches(node, match); });
  if (!session.json() && !nodes->empty()) session.Print(PendingListText(*nodes));
  api::AdmitNodesResponse all;
  api::AdmitNodesRequest request = what;
  for (const api::Node& node : *nodes) {
    api::SeenNode& seen = *request.add_seen();
    seen.set_id(node.id());
    seen.set_appearance(node.appearance());
    if (request.seen_size() < kMaxSeen && &node != &nodes->back()) continue;
    const auto response = session.admin().AdmitNodes(request);
    if (!response) return std::unexpected(response.error());
    all.MergeFrom(*response);
    request.clear_seen();
  }
  return all;
}

std::unexpected<Error> Skipped(int count) {
  return Fail(
      Code::kConflict,
      fmt::format("{} of the hosts look otherwise by now, or wait no longer", count),
      {.name = "node-changed", .advice = "Look at them: lodekey node pending; then do it again."});
}

Result<ExitCode> Settle(Session& session, const ApprovalArguments& arguments, bool deny) {
  if (const auto which = CheckWhich(arguments); !which) return std::unexpected(which.error());
  const auto match = ReadLabels("--match", arguments.match);
  if (!match) return std::unexpected(match.error());
  const auto labels = ReadLabels("--label", arguments.labels);
  if (!labels) return std::unexpected(labels.error());
  api::AdmitNodesRequest request;
  request.mutable_nodes()->Add(arguments.nodes.begin(), arguments.nodes.end());
  request.mutable_labels()->insert(labels->begin(), labels->end());
  request.set_deny(deny);
  request.set_dry_run(arguments.dry_run);
  const auto response =
      arguments.all ? SettleSeen(session, *match, request) : session.admin().AdmitNodes(request);
  if (!response) return std::unexpected(response.error());
  if (session.json()) {
    const auto texts = [](const auto& ids) {
      return std::vector<std::string>(ids.begin(), ids.end());
    };
    const std::vector<api::Node> nodes(response->nodes().begin(), response->nodes().end());
    session.PrintJson({{"changed", response->changed_size() != 0},
                       {"dry_run", arguments.dry_run},
                       {"changed_nodes", texts(response->changed())},
                       {"skipped_nodes", texts(response->skipped())},
                       {"nodes", NodesJson(nodes)}});
  } else {
    session.Print(SettledText(*response, deny, arguments.dry_run));
  }
  if (response->skipped_size() != 0) return Skipped(response->skipped_size());
  return session.Changed(response->changed_size() != 0);
}

Result<ExitCode> Approve(Session& session, const ApprovalArguments& arguments) {
  return Settle(session, arguments, /*deny=*/false);
}

Result<ExitCode> Deny(Session& session, const ApprovalArguments& arguments) {
  return Settle(session, arguments, /*deny=*/true);
}

using ApprovalVerb = Result<ExitCode> (*)(Session&, const ApprovalArguments&);

CLI::App& AddVerb(CLI::App& group, Session& session,
                  const std::shared_ptr<ApprovalArguments>& arguments, const std::string& name,
                  const std::string& what, ApprovalVerb verb) {
  CLI::App* command = group.add_subcommand(name, what);
  command->callback([&session, arguments, verb] {
    session.verb = [&session, arguments, verb] { return verb(session, *arguments); };
  });
  return *command;
}

void AddWhich(CLI::App& command, Session& session, ApprovalArguments& arguments) {
  command
      .add_option("NODE", arguments.nodes, "the node's id, all 64 digits of it, or its SPIFFE ID")
      ->check(CheckWholeNodeName);
  command.add_flag("--all", arguments.all, "each that waits; they are listed");
  command
      .add_option("--match", arguments.match,
                  "with --all: only those that showed this, or have this label; may be given again")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command.add_flag("--dry-run", arguments.dry_run, "say what would change, and change nothing");
  AddChangeFlag(command, session);
}

}  // namespace

void AddNodeApproval(CLI::App& group, Session& session) {
  const auto arguments = std::make_shared<ApprovalArguments>();
  AddVerb(group, session, arguments, "pending",
          "list hosts that proved their TPM and wait for approval", Pending);
  CLI::App& approve =
      AddVerb(group, session, arguments, "approve", "let hosts in that wait for approval", Approve);
  AddWhich(approve, session, *arguments);
  approve.add_option("--label", arguments->labels, "give them this label; may be given again")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  AddWhich(AddVerb(group, session, arguments, "deny",
                   "keep hosts out that wait for approval, until 'lodekey node allow'", Deny),
           session, *arguments);
}

}  // namespace lodekey::cli
