// node import: many hosts into the issuer's inventory, all of them or none.
#include <memory>
#include <string>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/entry_change.h"
#include "cli/inventory_file.h"
#include "cli/session.h"
#include "platform/escape.h"
#include "platform/file.h"

namespace lodekey::cli {
namespace {

namespace api = lodekey::admin::v1;

constexpr size_t kMaxRequest = size_t{4} << 20;  // docs/protocol.md, Inventory for operators

struct ImportArguments {
  std::string file = {};
  bool dry_run = false;

  std::string Source() const {
    return file == "-" ? "standard input" : platform::EscapeControl(file);
  }
};

Result<std::string> ReadSource(const std::string& file) {
  if (file == "-") {
    const std::string path = "standard input";
    ASSIGN_OR_RETURN(const Bytes bytes, platform::ReadToEnd(STDIN_FILENO, kMaxInventoryBytes, path),
                     "hosts");
    return std::string(AsText(bytes));
  }
  return platform::ReadTextFile(file, kMaxInventoryBytes);
}

// "nodes.csv:17: …"
Error PlacedIn(const std::string& source, Error error) {
  error.text = fmt::format("{}:{}", source, error.text);
  return error;
}

std::unexpected<Error> Refuse(Session& session, const std::vector<Error>& problems,
                              const std::string& source) {
  if (problems.size() == 1) return std::unexpected(problems.front());
  return std::unexpected(
      PrintRefusals(session, problems, "rows-refused",
                    fmt::format("{} rows of {} cannot be imported; nothing is changed",
                                problems.size(), source)));
}

Result<api::ImportNodesRequest> RequestOf(const InventoryList& list) {
  api::ImportNodesRequest request;
  for (const InventoryLine& line : list.lines) {
    api::InventoryRow& row = *request.add_rows();
    row.set_ek_hash(line.ek_hash);
    row.mutable_labels()->insert(line.labels.begin(), line.labels.end());
  }
  if (request.ByteSizeLong() <= kMaxRequest) return request;
  return Fail(
      Code::kInvalidArgument,
      fmt::format("the hosts have {} bytes, the issuer takes {} at once; nothing is changed",
                  request.ByteSizeLong(), kMaxRequest),
      {.name = "too-many-rows", .advice = "Import them in several parts."});
}

std::vector<Error> RefusalsOf(const api::ImportNodesResponse& response, const InventoryList& list,
                              const std::string& source) {
  std::vector<Error> refusals;
  for (const api::RefusedRow& refused : response.refused()) {
    const std::string place =
        refused.index() < list.lines.size() ? list.lines[refused.index()].place : "?";
    refusals.push_back(
        {.code = Code::kInvalidArgument,
         .text = fmt::format("{}:{}: {}", source, place, platform::EscapeControl(refused.text())),
         .name = platform::EscapeControl(refused.code()),
         .advice = platform::EscapeControl(refused.advice())});
  }
  return refusals;
}

void Print(Session& session, const api::ImportNodesResponse& response, bool dry_run) {
  size_t created = 0;
  size_t updated = 0;
  Json nodes = Json::array();
  for (const api::ImportedNode& node : response.imported()) {
    created += node.created() ? 1U : 0U;
    updated += node.changed() && !node.created() ? 1U : 0U;
    if (session.json())
      nodes.push_back(
          {{"id", node.id()}, {"created", node.created()}, {"changed", node.changed()}});
  }
  const size_t unchanged = static_cast<size_t>(response.imported_size()) - created - updated;
  if (session.json()) {
    session.PrintJson({{"changed", created + updated != 0},
                       {"dry_run", dry_run},
                       {"created", created},
                       {"updated", updated},
                       {"unchanged", unchanged},
                       {"nodes", std::move(nodes)}});
    return;
  }
  session.Print(fmt::format("{}{} created, {} updated, {} unchanged.\n",
                            dry_run ? "Dry run, nothing is changed: " : "", created, updated,
                            unchanged));
}

Result<ExitCode> Import(Session& session, const ImportArguments& arguments) {
  const std::string source = arguments.Source();
  const auto text = ReadSource(arguments.file);
  if (!text) return std::unexpected(text.error());
  auto list = ParseInventory(*text);
  if (!list) return std::unexpected(PlacedIn(source, std::move(list.error())));
  for (Error& problem : list->problems) problem = PlacedIn(source, std::move(problem));
  if (!list->problems.empty()) return Refuse(session, list->problems, source);
  auto request = RequestOf(*list);
  if (!request) return std::unexpected(request.error());
  request->set_dry_run(arguments.dry_run);
  const auto response = session.admin().ImportNodes(*request);
  if (!response) return std::unexpected(response.error());
  if (response->refused_size() != 0)
    return Refuse(session, RefusalsOf(*response, *list, source), source);
  Print(session, *response, arguments.dry_run);
  return session.Changed(std::ranges::any_of(response->imported(), &api::ImportedNode::changed));
}

}  // namespace

void AddNodeImport(CLI::App& group, Session& session) {
  CLI::App& import = *group.add_subcommand(
      "import", "put many hosts into the inventory, or set their labels: all of them or none");
  const auto arguments = std::make_shared<ImportArguments>();
  import
      .add_option("FILE", arguments->file,
                  "CSV with a header (ek_hash,owner,site,…) or a JSON array; -: standard input")
      ->required();
  import.add_flag("--dry-run", arguments->dry_run,
                  "check and say what would change, and change nothing");
  AddChangeFlag(import, session);
  import.callback([&session, arguments] {
    session.verb = [&session, arguments] { return Import(session, *arguments); };
  });
}

}  // namespace lodekey::cli
