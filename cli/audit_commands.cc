// audit verify: is the issuer's audit log as the issuer wrote it?
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/audit_verify.h"
#include "cli/commands.h"
#include "cli/session.h"

namespace lodekey::cli {
namespace {

constexpr int kTries = 4;
constexpr Duration kBetweenTries = Duration(500);

struct AuditArguments {
  std::string file = {};
  std::string key = {};
  std::string head = {};
  bool agent = false;
};

// What is to be checked, and against what.
struct AuditTask {
  std::string path = {};
  crypto::Ed25519PublicKey key = {};
  std::vector<crypto::ChainHead> known = {};
  bool live = false;  // the issuer is running: it may be about to write
};

Result<crypto::ChainHead> HeadFrom(uint64_t seq, const std::string& hash) {
  crypto::ChainHead head{.seq = seq};
  if (hash.size() != head.hash.size()) {
    return Fail(Code::kInternal, "the head of the audit log that was sent is not a SHA-256");
  }
  std::ranges::copy(AsBytes(hash), head.hash.begin());
  return head;
}

// File, key and head as the issuer names them, where the command line does not.
Result<void> AskIssuer(Session& session, const AuditArguments& arguments, AuditTask& task) {
  const auto issuer = session.admin().ShowIssuer();
  if (!issuer) return std::unexpected(issuer.error());
  task.live = true;
  if (arguments.file.empty()) task.path = issuer->audit_path();
  if (arguments.key.empty()) {
    if (issuer->audit_public_key().size() != task.key.size()) {
      return Fail(Code::kInternal, "the issuer's audit key is not one");
    }
    std::ranges::copy(AsBytes(issuer->audit_public_key()), task.key.begin());
  }
  // An issuer that has written nothing yet has a head of zeros.
  ASSIGN_OR_RETURN(task.known.emplace_back(), HeadFrom(issuer->audit_seq(), issuer->audit_hash()),
                   "issuer");
  return {};
}

Result<void> AskAgent(Session& session, AuditTask& task) {
  const auto status = session.AskAgent(&AgentClient::ShowStatus);
  if (!status) return std::unexpected(status.error());
  if (status->audit_seq() == 0) {
    return Fail(Code::kNotFound, "the agent has not been shown a head of the audit log yet",
                {.name = "audit-head-absent", .advice = "Let it attest first: lodekey attest"});
  }
  ASSIGN_OR_RETURN(task.known.emplace_back(), HeadFrom(status->audit_seq(), status->audit_hash()),
                   "agent");
  return {};
}

Result<AuditTask> Prepare(Session& session, const AuditArguments& arguments) {
  AuditTask task{.path = arguments.file};
  if (!arguments.key.empty()) {
    const auto key = ParseAuditKey(arguments.key);
    if (!key) return std::unexpected(key.error());
    task.key = *key;
  }
  if (!arguments.head.empty()) {
    const auto head = ParseHead(arguments.head);
    if (!head) return std::unexpected(head.error());
    task.known.push_back(*head);
  }
  if (arguments.agent) {
    if (const auto asked = AskAgent(session, task); !asked) return std::unexpected(asked.error());
  }
  if (arguments.file.empty() || arguments.key.empty()) {
    const auto asked = AskIssuer(session, arguments, task);
    if (!asked) return std::unexpected(asked.error());
  }
  return task;
}

// A running issuer commits a record before it writes the line: its head may be ahead of the file
// for a moment.
Result<crypto::ChainHead> VerifyPatiently(Session& session, const AuditTask& task) {
  for (int tried = 1;; ++tried) {
    auto head = VerifyAuditLog(task.path, task.key, task.known);
    if (head || !task.live || tried == kTries) return head;
    const std::string_view name = head.error().Name();
    if (name != "audit-truncated" && name != "audit-line-malformed") return head;
    session.Pause(kBetweenTries);
  }
}

Json HeadJson(const crypto::ChainHead& head) {
  if (head.seq == 0) return {};
  return {{"seq", head.seq}, {"hash", ToHex(head.hash)}};
}

Result<ExitCode> Verify(Session& session, const AuditArguments& arguments) {
  const auto task = Prepare(session, arguments);
  if (!task) return std::unexpected(task.error());
  const auto head = VerifyPatiently(session, *task);
  if (!head) return std::unexpected(head.error());
  const bool compared = !task->known.empty();
  if (head->seq == 0 && !compared) {
    return Fail(
        Code::kNotFound, fmt::format("'{}' has no records", task->path),
        {.name = "audit-empty",
         .advice = "An issuer that has served has written some: look for the right file, or "
                   "compare with a copy of the log."});
  }
  if (session.json()) {
    session.PrintJson({{"path", task->path},
                       {"records", head->seq},
                       {"head", HeadJson(*head)},
                       {"compared", compared}});
    return ExitCode::kDone;
  }
  session.Print(fmt::format("The audit log is sound: {} {}.\nHead: {}\n", head->seq,
                            head->seq == 1 ? "record" : "records", FormatHead(*head)));
  if (!compared) {
    session.Print(
        "It was compared with no head that the issuer showed before: records cut off its end "
        "would go unnoticed.\n  What to do: give --head, or --agent on a host that attests.\n");
  }
  return ExitCode::kDone;
}

}  // namespace

void AddAuditCommands(CLI::App& app, Session& session) {
  CLI::App& group = *app.add_subcommand("audit", "the issuer's audit log: verify");
  group.require_subcommand(1);
  CLI::App& verify = *group.add_subcommand(
      "verify", "check that nothing in the audit log was changed, dropped, reordered or cut off");
  const auto arguments = std::make_shared<AuditArguments>();
  verify.add_option("FILE", arguments->file, "the log (default: ask the issuer)");
  verify.add_option("--key", arguments->key, "the audit key (default: ask the issuer)")
      ->type_name("HEX");
  verify.add_option("--head", arguments->head, "a head that the log must reach")
      ->type_name("SEQ:HASH");
  verify.add_flag("--agent", arguments->agent,
                  "the log must reach the head that this host's agent was shown");
  verify.callback([&session, arguments] {
    session.verb = [&session, arguments] { return Verify(session, *arguments); };
  });
}

}  // namespace lodekey::cli
