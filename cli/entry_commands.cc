// entry …: which processes, on which nodes, get which identity.
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "attest/entry_codec.h"
#include "cli/commands.h"
#include "cli/entry_change.h"
#include "cli/entry_flags.h"
#include "cli/entry_json.h"
#include "cli/entry_list.h"
#include "cli/entry_view.h"
#include "cli/node_view.h"

namespace lodekey::cli {
namespace {

namespace api = lodekey::admin::v1;

constexpr size_t kShortestPrefix = 8;

struct EntryArguments {
  std::vector<std::string> entries = {};
  EntryFlags flags = {};
  ChangeOptions options = {};
  std::string spiffe_id = {};
  std::string selector = {};
  std::string node = {};
  size_t limit = 0;
};

// Empty, or what keeps `text` from naming an entry: for CLI11. The issuer takes no shorter prefix.
std::string CheckEntryName(const std::string& text) {
  if (text.size() >= kShortestPrefix) return {};
  return fmt::format("'{}' is too short: a prefix of an entry's id has {} characters or more", text,
                     kShortestPrefix);
}

Result<ExitCode> Create(Session& session, const EntryArguments& arguments) {
  attest::Entry entry;
  if (const auto set = SetFields(session, arguments.flags, entry); !set)
    return std::unexpected(set.error());
  api::ApplyEntriesRequest request;
  *request.add_changes()->mutable_create() = attest::EncodeEntry(entry);
  return ApplyChanges(session, std::move(request), {.options = arguments.options});
}

Result<ExitCode> Update(Session& session, const EntryArguments& arguments) {
  const auto shown = session.admin().ShowEntry(arguments.entries.front());
  if (!shown) return std::unexpected(shown.error());
  ASSIGN_OR_RETURN(attest::Entry entry, attest::DecodeEntry(*shown), "issuer");
  if (const auto set = SetFields(session, arguments.flags, entry); !set)
    return std::unexpected(set.error());
  api::ApplyEntriesRequest request;
  *request.add_changes()->mutable_update() = attest::EncodeEntry(entry);
  return ApplyChanges(session, std::move(request), {.options = arguments.options});
}

Result<ExitCode> Delete(Session& session, const EntryArguments& arguments) {
  api::ApplyEntriesRequest request;
  for (const std::string& entry : arguments.entries)
    request.add_changes()->mutable_remove()->set_entry(entry);
  return ApplyChanges(session, std::move(request), {.options = arguments.options});
}

Result<ExitCode> List(Session& session, const EntryArguments& arguments) {
  api::ListEntriesRequest request;
  request.set_spiffe_id(arguments.spiffe_id);
  request.set_selector(arguments.selector);
  request.set_node(arguments.node);
  const auto entries = ListEntries(session, std::move(request), arguments.limit);
  if (!entries) return std::unexpected(entries.error());
  if (!session.json()) {
    session.Print(EntryListText(*entries));
    return ExitCode::kDone;
  }
  Json json = {{"entries", Json::array()}};
  for (const attest::Entry& entry : *entries) json["entries"].push_back(EntryJson(entry));
  session.PrintJson(json);
  return ExitCode::kDone;
}

Result<ExitCode> Show(Session& session, const EntryArguments& arguments) {
  const auto shown = session.admin().ShowEntry(arguments.entries.front());
  if (!shown) return std::unexpected(shown.error());
  ASSIGN_OR_RETURN(const attest::Entry entry, attest::DecodeEntry(*shown), "issuer");
  if (session.json()) {
    session.PrintJson({{"entry", EntryJson(entry)}});
  } else {
    session.Print(EntryText(entry, session.Now()));
  }
  return ExitCode::kDone;
}

using EntryVerb = Result<ExitCode> (*)(Session&, const EntryArguments&);

// One subcommand of `entry`.
CLI::App& AddVerb(CLI::App& group, Session& session,
                  const std::shared_ptr<EntryArguments>& arguments, const std::string& name,
                  const std::string& what, EntryVerb verb) {
  CLI::App* command = group.add_subcommand(name, what);
  command->callback([&session, arguments, verb] {
    session.verb = [&session, arguments, verb] { return verb(session, *arguments); };
  });
  return *command;
}

CLI::Option* AddEntryArgument(CLI::App& command, EntryArguments& arguments) {
  return command
      .add_option("ENTRY", arguments.entries,
                  "the entry's id, or a prefix of it of 8 characters or more")
      ->required()
      ->check(CheckEntryName);
}

void AddFilters(CLI::App& list, EntryArguments& arguments) {
  list.add_option("--spiffe-id", arguments.spiffe_id, "only those with this SPIFFE ID, as written")
      ->type_name("ID");
  list.add_option("--selector", arguments.selector, "only those that ask for it")
      ->type_name("TYPE:NAME:VALUE");
  list.add_option("--node", arguments.node, "only those that may be used on this node")
      ->type_name("NODE")
      ->check(CheckNodeName);
  list.add_option("--limit", arguments.limit, "the oldest so many (default: all)")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
}

}  // namespace

void AddEntryCommands(CLI::App& app, Session& session) {
  CLI::App& group = *app.add_subcommand(
      "entry", "which processes get which identity: create, list, show, update, delete, import");
  group.require_subcommand(1);
  const auto arguments = std::make_shared<EntryArguments>();

  CLI::App& create = AddVerb(group, session, arguments, "create",
                             "let processes of some nodes have an identity", Create);
  AddEntryFlags(create, arguments->flags)->required();
  AddChangeOptions(create, session, arguments->options);

  AddFilters(AddVerb(group, session, arguments, "list", "list entries, the oldest first", List),
             *arguments);

  AddEntryArgument(AddVerb(group, session, arguments, "show", "show an entry", Show), *arguments)
      ->expected(1);

  CLI::App& update = AddVerb(group, session, arguments, "update",
                             "change what is given, and leave the rest as it is", Update);
  AddEntryArgument(update, *arguments)->expected(1);
  AddEntryFlags(update, arguments->flags);
  AddClearFlag(update, arguments->flags);
  AddChangeOptions(update, session, arguments->options);

  CLI::App& remove =
      AddVerb(group, session, arguments, "delete", "take the identity of entries away", Delete);
  AddEntryArgument(remove, *arguments);
  AddChangeOptions(remove, session, arguments->options);

  AddEntryImport(group, session);
  AddSuggestCommand(group, session);
}

}  // namespace lodekey::cli
