// node …: the issuer's inventory.
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/hex.h"
#include "cli/commands.h"
#include "cli/labels.h"
#include "cli/node_list.h"
#include "cli/node_view.h"
#include "cli/session.h"
#include "cli/text.h"
#include "platform/escape.h"
#include "tpm/pcr.h"

namespace lodekey::cli {
namespace {

namespace api = lodekey::admin::v1;

constexpr size_t kMaxAkName = 66;  // nameAlg and SHA-512

struct NodeArguments {
  std::string node = {};
  std::vector<std::string> labels = {};
  std::string standing = {};
  std::string pcrs = {};
  std::string ak = {};
  bool replace = false;
};

Result<ExitCode> List(Session& session, const NodeArguments& arguments) {
  const auto labels = ReadLabels("--label", arguments.labels);
  if (!labels) return std::unexpected(labels.error());
  api::ListNodesRequest request;
  request.mutable_labels()->insert(labels->begin(), labels->end());
  request.set_standing(arguments.standing);
  const auto nodes = ListNodes(session, std::move(request));
  if (!nodes) return std::unexpected(nodes.error());
  if (!session.json()) {
    session.Print(NodeListText(*nodes));
    return ExitCode::kDone;
  }
  session.PrintJson({{"nodes", NodesJson(*nodes)}});
  return ExitCode::kDone;
}

Result<ExitCode> Show(Session& session, const NodeArguments& arguments) {
  const auto node = session.admin().ShowNode(arguments.node);
  if (!node) return std::unexpected(node.error());
  if (session.json()) {
    session.PrintJson({{"node", NodeJson(*node)}});
  } else {
    session.Print(NodeText(*node, session.Now()));
  }
  return ExitCode::kDone;
}

// `done` says what was done, `already` that it was so before; both complete "Node … ".
Result<ExitCode> ReportChange(Session& session, const Result<api::ChangeResponse>& response,
                              const std::string& done, const std::string& already) {
  if (!response) return std::unexpected(response.error());
  if (session.json()) {
    session.PrintJson({{"changed", response->changed()},
                       {"node", NodeJson(response->node())},
                       {"approved", PcrValuesJson(response->approved())}});
    return session.Changed(response->changed());
  }
  session.Print(fmt::format("Node {} {}\n", ShortNodeId(response->node().id()),
                            response->changed() ? done : already));
  return session.Changed(response->changed());
}

Result<ExitCode> Allow(Session& session, const NodeArguments& arguments) {
  const auto labels = ReadLabels("--label", arguments.labels);
  if (!labels) return std::unexpected(labels.error());
  api::AllowNodeRequest request;
  request.set_ek_hash(arguments.node);
  request.mutable_labels()->insert(labels->begin(), labels->end());
  return ReportChange(session, session.admin().AllowNode(request),
                      "may enrol now; on the host: lodekey enroll",
                      "was allowed already; nothing changed.");
}

Result<ExitCode> Remove(Session& session, const NodeArguments& arguments) {
  return ReportChange(session, session.admin().RemoveNode(arguments.node),
                      "is removed: it gets no identity any more, and its connections are closed.",
                      "was removed already; nothing changed.");
}

// The values to approve, of those that `node` shows: the registers of `mask`, or, where it is
// empty, those that the issuer proposes.
Result<api::ApprovePcrsRequest> ValuesToApprove(const api::Node& node, tpm::PcrMask mask) {
  api::ApprovePcrsRequest request;
  request.set_node(node.id());
  const tpm::PcrMask wanted = mask == 0 ? node.shared_pcrs() : mask;
  tpm::PcrMask missing = wanted;
  for (const api::PcrValue& value : node.pcrs()) {
    if (value.pcr() >= tpm::kPcrCount || (wanted >> value.pcr() & 1) == 0) continue;
    *request.add_values() = value;
    missing &= ~(1U << value.pcr());
  }
  if (wanted != 0 && missing == 0) return request;
  return Fail(Code::kNotFound,
              fmt::format("the node has shown no value for PCR {}",
                          wanted == 0 ? "0-23" : tpm::FormatPcrMask(missing)),
              {.name = "pcr-not-shown", .advice = "Let the node attest first: lodekey attest"});
}

std::string ToApproveText(const api::Node& node, const api::ApprovePcrsRequest& request) {
  std::vector<Row> rows;
  for (const api::PcrValue& value : request.values()) {
    rows.push_back({std::to_string(value.pcr()), value.bank(), ToHex(AsBytes(value.value()))});
  }
  const std::string seen = FormatUnixMs(node.last_seen_unix_ms());
  return fmt::format("Approving what node {} showed{}:\n\n{}\n", ShortNodeId(node.id()),
                     seen.empty() ? "" : " at " + seen,
                     FormatTable({"PCR", "BANK", "VALUE"}, rows));
}

Result<ExitCode> ApprovePcrs(Session& session, const NodeArguments& arguments) {
  tpm::PcrMask mask = 0;
  if (!arguments.pcrs.empty()) {
    const auto parsed = tpm::ParsePcrMask(arguments.pcrs);
    if (!parsed) {
      return FailUsage("--pcr: " + parsed.error().text, "Give registers and ranges: 0-7,14");
    }
    mask = *parsed;
  }
  const auto node = session.admin().ShowNode(arguments.node);
  if (!node) return std::unexpected(node.error());
  auto request = ValuesToApprove(*node, mask);
  if (!request) return std::unexpected(request.error());
  request->set_replace(arguments.replace);
  if (!session.json()) session.Print(ToApproveText(*node, *request));
  const std::string group = platform::EscapeControl(node->group());
  return ReportChange(
      session, session.admin().ApprovePcrs(*request),
      fmt::format(
          "set what the hosts of its group, '{}', have to show; on the host: lodekey attest",
          group),
      fmt::format("changed nothing: group '{}' accepted these values already.", group));
}

// What --ak says, a TPM name in hex; without it the key that waits for approval, or that was
// approved and has not enrolled yet.
Result<std::string> AkToApprove(Session& session, const NodeArguments& arguments) {
  if (!arguments.ak.empty()) {
    const auto name = ParseHex(arguments.ak, kMaxAkName);
    if (name && !name->empty()) return std::string(AsText(*name));
    return FailUsage(
        fmt::format("--ak {}: not the name of a key", platform::EscapeControl(arguments.ak)),
        "Give it in hexadecimal, as 'lodekey explain --node' shows it.");
  }
  const auto node = session.admin().ShowNode(arguments.node);
  if (!node) return std::unexpected(node.error());
  const std::string& name =
      node->pending_ak_name().empty() ? node->approved_ak_name() : node->pending_ak_name();
  if (name.empty()) {
    return Fail(Code::kNotFound, "no other attestation key waits for approval on this node",
                {.name = "no-pending-ak",
                 .advice = "Let the host try to enrol first; its refusal shows the key."});
  }
  if (!session.json()) {
    session.Print(fmt::format("Approving the attestation key {}\n", ToHex(AsBytes(name))));
  }
  return name;
}

Result<ExitCode> ApproveAk(Session& session, const NodeArguments& arguments) {
  auto name = AkToApprove(session, arguments);
  if (!name) return std::unexpected(name.error());
  api::ApproveAkRequest request;
  request.set_node(arguments.node);
  request.set_ak_name(*std::move(name));
  return ReportChange(session, session.admin().ApproveAk(request),
                      "may enrol with its new attestation key; on the host: lodekey enroll",
                      "had this attestation key approved already; nothing changed.");
}

using NodeVerb = Result<ExitCode> (*)(Session&, const NodeArguments&);

// One subcommand of `node`.
CLI::App& AddVerb(CLI::App& group, Session& session,
                  const std::shared_ptr<NodeArguments>& arguments, const std::string& name,
                  const std::string& what, NodeVerb verb) {
  CLI::App* command = group.add_subcommand(name, what);
  command->callback([&session, arguments, verb] {
    session.verb = [&session, arguments, verb] { return verb(session, *arguments); };
  });
  return *command;
}

void AddNodeArgument(CLI::App& command, NodeArguments& arguments) {
  command
      .add_option("NODE", arguments.node,
                  "the node's id, a prefix of it of 8 digits or more, or its SPIFFE ID")
      ->required()
      ->check(CheckNodeName);
}

void AddLabels(CLI::App& command, NodeArguments& arguments, const std::string& what) {
  command.add_option("--label", arguments.labels, what)
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
}

}  // namespace

void AddNodeCommands(CLI::App& app, Session& session) {
  CLI::App& group = *app.add_subcommand(
      "node", "the issuer's nodes: list, show, allow, import, remove, approve, deny");
  group.require_subcommand(1);
  const auto arguments = std::make_shared<NodeArguments>();

  CLI::App& list = AddVerb(group, session, arguments, "list", "list nodes", List);
  AddLabels(list, *arguments, "only nodes with this label; may be given again");
  list.add_option("--standing", arguments->standing, "only nodes of this standing")
      ->check(CLI::IsMember(
          {"allowed", "active", "refused", "quarantined", "removed", "pending", "barred"}));

  AddNodeArgument(
      AddVerb(group, session, arguments, "show", "show all that is known of a node", Show),
      *arguments);

  CLI::App& allow = AddVerb(group, session, arguments, "allow",
                            "let the host with this endorsement key enrol", Allow);
  allow
      .add_option("EK_HASH", arguments->node,
                  "64 hex digits, as 'lodekey ek' prints them on the host")
      ->required();
  AddLabels(allow, *arguments, "give the node this label; may be given again");
  AddChangeFlag(allow, session);
  AddNodeImport(group, session);
  AddNodeApproval(group, session);

  CLI::App& remove = AddVerb(group, session, arguments, "remove",
                             "take a node's identity and its right to enrol", Remove);
  AddNodeArgument(remove, *arguments);
  AddChangeFlag(remove, session);

  CLI::App& pcrs =
      AddVerb(group, session, arguments, "approve-pcrs",
              "accept for the node's group the PCR values it showed last", ApprovePcrs);
  AddNodeArgument(pcrs, *arguments);
  pcrs.add_option("--pcr", arguments->pcrs, "registers (default: all but 10 and the ledger's)")
      ->type_name("0-7,14");
  pcrs.add_flag("--replace", arguments->replace,
                "forget the group's other values of these registers");
  AddChangeFlag(pcrs, session);

  CLI::App& ak =
      AddVerb(group, session, arguments, "approve-ak",
              "accept the new attestation key with which the node tried to enrol", ApproveAk);
  AddNodeArgument(ak, *arguments);
  ak.add_option("--ak", arguments->ak,
                "the name of this key and no other (default: the one that waits)")
      ->type_name("HEX");
  AddChangeFlag(ak, session);
}

}  // namespace lodekey::cli
