// audit verify: is the issuer's audit log as the issuer wrote it?
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/audit_source.h"
#include "cli/audit_verify.h"
#include "cli/commands.h"
#include "cli/session.h"

namespace lodekey::cli {
namespace {

constexpr int kTries = 4;
constexpr Duration kBetweenTries = Duration(500);

struct VerifyArguments {
  AuditArguments source = {};
  std::string head = {};
  bool agent = false;
};

// What is to be checked, and against what.
struct AuditTask {
  AuditSource source = {};
  std::vector<crypto::ChainHead> known = {};
};

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

Result<AuditTask> Prepare(Session& session, const VerifyArguments& arguments) {
  AuditTask task;
  if (!arguments.head.empty()) {
    const auto head = ParseHead(arguments.head);
    if (!head) return std::unexpected(head.error());
    task.known.push_back(*head);
  }
  if (arguments.agent) {
    if (const auto asked = AskAgent(session, task); !asked) return std::unexpected(asked.error());
  }
  auto source = FindAuditLog(session, arguments.source);
  if (!source) return std::unexpected(source.error());
  if (source->shown) task.known.push_back(*source->shown);
  task.source = *std::move(source);
  return task;
}

// A running issuer commits a record before it writes the line: its head may be ahead of the file
// for a moment.
Result<VerifiedLog> VerifyPatiently(Session& session, const AuditTask& task) {
  for (int tried = 1;; ++tried) {
    auto log = VerifyAuditLog(task.source.path, task.source.key, task.known);
    if (log || !task.source.shown || tried == kTries) return log;
    const std::string_view name = log.error().Name();
    if (name != "audit-truncated" && name != "audit-line-malformed") return log;
    session.Pause(kBetweenTries);
  }
}

Json HeadJson(const crypto::ChainHead& head) {
  if (head.seq == 0) return {};
  return {{"seq", head.seq}, {"hash", ToHex(head.hash)}};
}

std::string SoundText(const VerifiedLog& log, bool compared) {
  const uint64_t records = log.head.seq - log.after.seq;
  if (log.after.seq != 0) {
    return fmt::format(
        "This part of the audit log is sound: records {} to {}, and none between is missing.\n"
        "What it leaves out before and after is in the log.\nAfter: {}\nHead: {}\n",
        log.after.seq + 1, log.head.seq, FormatHead(log.after), FormatHead(log.head));
  }
  std::string text = fmt::format("The audit log is sound: {} {}.\nHead: {}\n", records,
                                 records == 1 ? "record" : "records", FormatHead(log.head));
  if (compared) return text;
  return text +
         "It was compared with no head that the issuer showed before: records cut off its end "
         "would go unnoticed.\n  What to do: give --head, or --agent on a host that attests.\n";
}

Result<ExitCode> Verify(Session& session, const VerifyArguments& arguments) {
  const auto task = Prepare(session, arguments);
  if (!task) return std::unexpected(task.error());
  const auto log = VerifyPatiently(session, *task);
  if (!log) return std::unexpected(log.error());
  const bool compared = !task->known.empty();
  if (log->head.seq == 0 && !compared) {
    return Fail(
        Code::kNotFound, fmt::format("'{}' has no records", task->source.path),
        {.name = "audit-empty",
         .advice = "An issuer that has served has written some: look for the right file, or "
                   "compare with a copy of the log."});
  }
  if (session.json()) {
    session.PrintJson({{"path", task->source.path},
                       {"records", log->head.seq - log->after.seq},
                       {"after", HeadJson(log->after)},
                       {"head", HeadJson(log->head)},
                       {"compared", compared}});
  } else {
    session.Print(SoundText(*log, compared));
  }
  return ExitCode::kDone;
}

}  // namespace

void AddAuditCommands(CLI::App& app, Session& session) {
  CLI::App& group =
      *app.add_subcommand("audit", "the issuer's audit log: verify, search, export, input");
  group.require_subcommand(1);
  CLI::App& verify = *group.add_subcommand(
      "verify", "check that nothing in the audit log was changed, dropped, reordered or cut off");
  const auto arguments = std::make_shared<VerifyArguments>();
  AddAuditSource(verify, arguments->source);
  verify.add_option("--head", arguments->head, "a head that the log must reach")
      ->type_name("SEQ:HASH");
  verify.add_flag("--agent", arguments->agent,
                  "the log must reach the head that this host's agent was shown");
  verify.callback([&session, arguments] {
    session.verb = [&session, arguments] { return Verify(session, *arguments); };
  });
  AddAuditSearch(group, session);
  AddAuditExport(group, session);
}

}  // namespace lodekey::cli
