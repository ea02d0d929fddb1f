// audit export: a part of the audit log, and what the policy was told for it. audit input: one of
// these.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/hex.h"
#include "cli/audit_export.h"
#include "cli/audit_filter.h"
#include "cli/commands.h"
#include "cli/moment.h"
#include "cli/new_file.h"
#include "cli/policy_view.h"
#include "cli/session.h"
#include "platform/escape.h"

namespace lodekey::cli {
namespace {

namespace api = lodekey::admin::v1;

constexpr size_t kDigestSize = 32;
constexpr size_t kShortestPrefix = 4;  // bytes

struct ExportArguments {
  AuditArguments source = {};
  std::string since = {};
  std::string until = {};
  std::string output = {};
  bool inputs = false;
};

struct InputArguments {
  std::string digest = {};
};

Result<std::optional<Time>> ReadOptional(Session& session, const std::string& text,
                                         std::string_view option) {
  if (text.empty()) return std::optional<Time>();
  auto moment = ReadMoment(text, option, session.Now());
  if (!moment) return std::unexpected(std::move(moment.error()));
  return std::optional(*moment);
}

Json InputJson(const api::ShowDecisionResponse& response) {
  return {{"input_digest", JsonHex(response.decision().input_digest())},
          {"decision", DecisionJson(response.decision())},
          {"input", response.input()}};
}

// What the policy was told, one line for each record of a decision that the issuer still has.
class InputFile {
 public:
  InputFile(Session& session, NewFile file) : session_(session), file_(std::move(file)) {}

  Result<void> Add(std::string_view line) {
    ASSIGN_OR_RETURN(const Json record, RecordOf(line), "audit log");
    const auto digest = ParseHex(InputOf(record), kDigestSize);
    if (!digest || digest->size() != kDigestSize) return {};
    const auto response = session_.admin().ShowDecision(std::string(AsText(*digest)));
    if (!response && response.error().Name() == "decision-not-found") {
      ++missing_;
      return {};
    }
    if (!response) return std::unexpected(response.error());
    ++written_;
    return file_.Write(InputJson(*response).dump(-1, ' ', true, Json::error_handler_t::replace) +
                       "\n");
  }
  Result<void> Finish() { return file_.Finish(); }

  size_t written() const { return written_; }
  size_t missing() const { return missing_; }

 private:
  Session& session_;
  NewFile file_;
  size_t written_ = 0;
  size_t missing_ = 0;  // the issuer has forgotten
};

std::string ExportText(const AuditRange& range, const std::string& output,
                       const std::optional<InputFile>& inputs) {
  std::string text = fmt::format(
      "Records {} to {} are in {}.\n  To check them: lodekey audit verify {} --key KEY\n",
      range.after.seq + 1, range.last.seq, platform::EscapeControl(output),
      platform::EscapeControl(output));
  if (!inputs) return text;
  text += fmt::format("{} inputs of decisions are in {}.inputs.\n", inputs->written(),
                      platform::EscapeControl(output));
  if (inputs->missing() != 0) {
    text += fmt::format("{} inputs are no longer kept (retention.decisions).\n", inputs->missing());
  }
  return text;
}

void Print(Session& session, const AuditRange& range, const std::string& output,
           const std::optional<InputFile>& inputs) {
  if (!session.json()) return session.Print(ExportText(range, output, inputs));
  session.PrintJson({{"path", output},
                     {"first", range.after.seq + 1},
                     {"last", range.last.seq},
                     {"inputs", inputs ? Json(inputs->written()) : Json()},
                     {"inputs_missing", inputs ? Json(inputs->missing()) : Json()}});
}

Result<ExitCode> Export(Session& session, const ExportArguments& arguments) {
  const auto since = ReadOptional(session, arguments.since, "--since");
  if (!since) return std::unexpected(since.error());
  const auto until = ReadOptional(session, arguments.until, "--until");
  if (!until) return std::unexpected(until.error());
  const auto source = FindAuditLog(session, arguments.source);
  if (!source) return std::unexpected(source.error());
  const auto range = FindAuditRange(*source, *since, *until);
  if (!range) return std::unexpected(range.error());
  std::optional<InputFile> inputs;
  if (arguments.inputs) {
    auto file = NewFile::Create(arguments.output + ".inputs");
    if (!file) return std::unexpected(file.error());
    inputs.emplace(session, *std::move(file));
  }
  const auto wrote = WriteAuditRange(*source, *range, arguments.output, [&](std::string_view line) {
    return inputs ? inputs->Add(line) : Result<void>();
  });
  if (!wrote) return std::unexpected(wrote.error());
  if (inputs) {
    if (const auto finished = inputs->Finish(); !finished) return std::unexpected(finished.error());
  }
  Print(session, *range, arguments.output, inputs);
  return ExitCode::kDone;
}

Result<ExitCode> ShowInput(Session& session, const InputArguments& arguments) {
  const auto digest = ParseHex(arguments.digest, kDigestSize);
  if (!digest || digest->size() < kShortestPrefix) {
    return FailUsage(fmt::format("'{}' is not the digest of an input",
                                 platform::EscapeControl(arguments.digest)),
                     "Give 8 or more of its hexadecimal digits, an even number, as 'lodekey audit "
                     "search -o json' shows it: policy.input");
  }
  const auto response = session.admin().ShowDecision(std::string(AsText(*digest)));
  if (!response) return std::unexpected(response.error());
  Json input = Json::parse(response->input(), nullptr, /*allow_exceptions=*/false);
  if (input.is_discarded()) {
    return Fail(Code::kInternal, "what the issuer recorded is no JSON",
                {.name = "input-malformed", .advice = "See the issuer's log."});
  }
  if (session.json()) {
    session.PrintJson({{"input_digest", JsonHex(response->decision().input_digest())},
                       {"decision", DecisionJson(response->decision())},
                       {"input", std::move(input)}});
  } else {
    session.Print(DumpJson(input));
  }
  return ExitCode::kDone;
}

}  // namespace

void AddAuditExport(CLI::App& group, Session& session) {
  CLI::App& verb = *group.add_subcommand(
      "export", "write a part of the audit log to a file that can be verified on its own");
  const auto arguments = std::make_shared<ExportArguments>();
  AddAuditSource(verb, arguments->source);
  verb.add_option("--since", arguments->since, "from this time on (default: the first record)")
      ->type_name("TIME|2h");
  verb.add_option("--until", arguments->until, "before this time (default: the last record)")
      ->type_name("TIME|2h");
  verb.add_option("--output", arguments->output, "the file, which must not exist")->required();
  verb.add_flag("--inputs", arguments->inputs,
                "also write what the policy was told for each decision, to <output>.inputs");
  verb.callback([&session, arguments] {
    session.verb = [&session, arguments] { return Export(session, *arguments); };
  });

  CLI::App& input =
      *group.add_subcommand("input", "show what the policy was told for a recorded decision");
  const auto named = std::make_shared<InputArguments>();
  input.add_option("DIGEST", named->digest, "its SHA-256, or the first 8 digits or more of it")
      ->required();
  input.callback([&session, named] {
    session.verb = [&session, named] { return ShowInput(session, *named); };
  });
}

}  // namespace lodekey::cli
