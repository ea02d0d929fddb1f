// policy …: what decides over nodes and workloads.
#include <memory>
#include <string>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "attest/policy_codec.h"
#include "base/hex.h"
#include "cli/commands.h"
#include "cli/duration.h"
#include "cli/policy_files.h"
#include "cli/policy_view.h"
#include "cli/session.h"
#include "platform/file.h"

namespace lodekey::cli {
namespace {

namespace api = lodekey::admin::v1;

constexpr size_t kMaxInput = size_t{256} << 10;
constexpr size_t kMaxKeyFile = 16384;

struct PolicyArguments {
  std::string directory = {};
  std::string since = "24h";
  std::string note = {};
  bool yes_lock_out = false;
  std::optional<uint64_t> base = {};
  std::optional<uint64_t> version = {};
  std::string write = {};
  std::string point = {};
  std::string input = {};
  std::string digest = {};
  std::string key = {};
};

// The issuer's answer as it is: its text says what, and where in the policy.
template <class Value>
std::unexpected<Error> Failed(const Result<Value>& result) {
  return std::unexpected(result.error());
}

// Sets the request's bundle where a directory is named; else the present policy is meant.
template <class Request>
Result<void> SetBundle(const PolicyArguments& arguments, Request& request) {
  if (arguments.directory.empty()) return {};
  const auto files = ReadPolicyFiles(arguments.directory);
  if (!files) return Failed(files);
  *request.mutable_bundle() = attest::EncodePolicy(files->bundle);
  return {};
}

Result<api::CheckPolicyResponse> AskCheck(Session& session, const PolicyArguments& arguments,
                                          bool run_tests) {
  api::CheckPolicyRequest request;
  if (const auto set = SetBundle(arguments, request); !set) return Failed(set);
  request.set_run_tests(run_tests);
  return session.admin().CheckPolicy(request);
}

Result<ExitCode> Check(Session& session, const PolicyArguments& arguments) {
  const auto checked = AskCheck(session, arguments, /*run_tests=*/false);
  if (!checked) return Failed(checked);
  const std::string digest = ToHex(AsBytes(checked->digest()));
  if (session.json()) {
    session.PrintJson({{"digest", digest}, {"allows_all", checked->allows_all()}});
  } else {
    session.Print(fmt::format("The policy is good. Digest: {}\n{}", digest,
                              checked->allows_all() ? "It allows what nobody may be given, and says so (lodekey.unsafe_allow_all).\n" : ""));
  }
  return ExitCode::kDone;
}

Result<ExitCode> Test(Session& session, const PolicyArguments& arguments) {
  const auto checked = AskCheck(session, arguments, /*run_tests=*/true);
  if (!checked) return Failed(checked);
  bool passed = true;
  Json tests = Json::array();
  for (const auto& test : checked->tests()) {
    passed &= test.passed();
    tests.push_back(
        {{"name", test.name()}, {"passed", test.passed()}, {"message", JsonText(test.message())}});
  }
  if (session.json())
    session.PrintJson({{"passed", passed}, {"tests", std::move(tests)}});
  else
    session.Print(TestsText(*checked));
  return passed ? ExitCode::kDone : ExitCode::kFailure;
}

Result<ExitCode> Show(Session& session, const PolicyArguments& arguments) {
  api::ShowPolicyRequest request;
  if (arguments.version) request.set_version(*arguments.version);
  const auto shown = session.admin().ShowPolicy(request);
  if (!shown) return Failed(shown);
  ASSIGN_OR_RETURN(const attest::PolicyBundle bundle, attest::DecodePolicy(shown->bundle()),
                   "issuer");
  if (!arguments.write.empty()) {
    if (const auto written = WritePolicyFiles(arguments.write, {.bundle = bundle}); !written)
      return Failed(written);
  }
  if (session.json()) {
    session.PrintJson({{"policy", VersionJson(shown->version())},
                       {"files", bundle.files},
                       {"data", Json::parse(bundle.data, nullptr, false)}});
  } else if (!arguments.write.empty()) {
    session.Print(
        fmt::format("Wrote version {} to {}.\n", shown->version().version(), arguments.write));
  } else {
    for (const auto& [name, text] : bundle.files)
      session.Print(fmt::format("### {}\n{}\n", name, text));
    session.Print(fmt::format("### data.json\n{}\n", bundle.data));
  }
  return ExitCode::kDone;
}

Result<std::string> ReadInput(const std::string& path) {
  if (path != "-") return platform::ReadTextFile(path, kMaxInput);
  ASSIGN_OR_RETURN(const Bytes bytes,
                   platform::ReadToEnd(STDIN_FILENO, kMaxInput, "standard input"), "input");
  return std::string(bytes.begin(), bytes.end());
}

// The point that an input says it is of.
std::string PointOf(const std::string& input) {
  const Json json = Json::parse(input, nullptr, /*allow_exceptions=*/false);
  return json.is_object() && json.contains("point") && json["point"].is_string()
             ? json["point"].get<std::string>()
             : "";
}

Result<ExitCode> Evaluate(Session& session, const PolicyArguments& arguments) {
  api::EvaluatePolicyRequest request;
  if (const auto set = SetBundle(arguments, request); !set) return Failed(set);
  std::string point = arguments.point;
  if (arguments.digest.empty()) {
    auto input = ReadInput(arguments.input);
    if (!input) return Failed(input);
    if (point.empty()) point = PointOf(*input);
    request.set_input(*std::move(input));
  } else {
    const auto digest = ParseHex(arguments.digest);
    if (!digest) return FailUsage("--decision is not in hexadecimal digits", "Give its digest.");
    request.set_input_digest(std::string(digest->begin(), digest->end()));
  }
  request.set_point(point);
  const auto evaluated = session.admin().EvaluatePolicy(request);
  if (!evaluated) return Failed(evaluated);
  if (session.json())
    session.PrintJson({{"decision", DecisionJson(evaluated->decision())}});
  else
    session.Print(DecisionText(evaluated->decision()));
  return evaluated->decision().allowed() ? ExitCode::kDone : ExitCode::kDenied;
}

Result<ExitCode> Plan(Session& session, const PolicyArguments& arguments) {
  ASSIGN_OR_RETURN(const Duration since, ReadDuration(arguments.since, "--since"), "plan");
  api::PlanPolicyRequest request;
  if (const auto set = SetBundle(arguments, request); !set) return Failed(set);
  request.set_since_unix_ms((session.Now() - since).time_since_epoch().count());
  const auto plan = session.admin().PlanPolicy(request);
  if (!plan) return Failed(plan);
  if (session.json())
    session.PrintJson(PlanJson(*plan));
  else
    session.Print(PlanText(*plan, arguments.directory, request.since_unix_ms()));
  return session.Changed(plan->same() != plan->decisions());
}

// The version that decides as the operator looks: as given, or as it is now.
Result<uint64_t> BaseOf(Session& session, const PolicyArguments& arguments) {
  if (arguments.base) return *arguments.base;
  const auto shown = session.admin().ShowPolicy({});
  if (!shown) return Failed(shown);
  return shown->version().version();
}

Result<ExitCode> Send(Session& session, const PolicyArguments& arguments,
                      api::ApplyPolicyRequest request) {
  const auto base = BaseOf(session, arguments);
  if (!base) return Failed(base);
  request.set_base_version(*base);
  request.set_note(arguments.note);
  request.set_yes_lock_out(arguments.yes_lock_out);
  const auto applied = session.admin().ApplyPolicy(request);
  if (!applied) return Failed(applied);
  if (session.json()) {
    session.PrintJson(
        {{"changed", applied->changed()}, {"policy", VersionJson(applied->version())}});
  } else {
    session.Print(fmt::format("Version {} decides {}.\n", applied->version().version(),
                              applied->changed() ? "now" : "already; nothing changed"));
    if (applied->version().allows_all())
      session.Print("It allows EVERYTHING: use it for tests alone.\n");
  }
  return session.Changed(applied->changed());
}

Result<ExitCode> Apply(Session& session, const PolicyArguments& arguments) {
  const auto files = ReadPolicyFiles(arguments.directory);
  if (!files) return Failed(files);
  api::ApplyPolicyRequest request;
  *request.mutable_bundle() = attest::EncodePolicy(files->bundle);
  if (files->signature) {
    auto& signature = *request.mutable_signature();
    signature.set_version(files->signature->version);
    signature.set_key(files->signature->key.data(), files->signature->key.size());
    signature.set_signature(files->signature->signature.data(), files->signature->signature.size());
  }
  return Send(session, arguments, std::move(request));
}

Result<ExitCode> Rollback(Session& session, const PolicyArguments& arguments) {
  api::ApplyPolicyRequest request;
  request.set_rollback_to(arguments.version.value_or(0));
  return Send(session, arguments, std::move(request));
}

Result<ExitCode> History(Session& session, const PolicyArguments&) {
  const auto listed = session.admin().ListPolicies();
  if (!listed) return Failed(listed);
  if (!session.json()) {
    session.Print(VersionListText(*listed));
    return ExitCode::kDone;
  }
  Json versions = Json::array();
  for (const auto& version : listed->versions()) versions.push_back(VersionJson(version));
  session.PrintJson({{"versions", std::move(versions)}});
  return ExitCode::kDone;
}

Result<ExitCode> Sign(Session& session, const PolicyArguments& arguments) {
  const auto files = ReadPolicyFiles(arguments.directory);
  if (!files) return Failed(files);
  auto pem = platform::ReadFile(arguments.key, kMaxKeyFile);
  if (!pem) return Failed(pem);
  const auto key = crypto::Ed25519Key::FromPem(crypto::Secret::Take(*std::move(pem)));
  if (!key) {
    return Fail(Code::kInvalidArgument, fmt::format("{}: {}", arguments.key, key.error().text),
                {.name = "policy-key",
                 .advice = "Make one with: openssl genpkey -algorithm ed25519 -out policy.key"});
  }
  const auto signature = attest::SignPolicy(files->bundle, arguments.version.value_or(0), *key);
  if (const auto written = WritePolicySignature(arguments.directory, signature); !written)
    return Failed(written);
  const std::string signer = "ed25519:" + ToHex(signature.key);
  if (session.json())
    session.PrintJson({{"version", signature.version}, {"signer", signer}});
  else
    session.Print(
        fmt::format("Signed as version {}.\nFor the issuer's configuration:\n  [policy]\n"
                    "  signers = [\"{}\"]\n",
                    signature.version, signer));
  return ExitCode::kDone;
}

using PolicyVerb = Result<ExitCode> (*)(Session&, const PolicyArguments&);

CLI::App& AddVerb(CLI::App& group, Session& session,
                  const std::shared_ptr<PolicyArguments>& arguments, const std::string& name,
                  const std::string& what, PolicyVerb verb) {
  CLI::App* command = group.add_subcommand(name, what);
  command->callback([&session, arguments, verb] {
    session.verb = [&session, arguments, verb] { return verb(session, *arguments); };
  });
  return *command;
}

CLI::Option* AddDirectory(CLI::App& verb, PolicyArguments& arguments) {
  return verb.add_option("DIR", arguments.directory,
                         "directory with *.rego and data.json (default: what decides now)");
}

void AddApplyOptions(CLI::App& verb, Session& session, PolicyArguments& arguments) {
  verb.add_option("--base", arguments.base,
                  "the version that you looked at: refused when another one decides by now "
                  "(default: the one that decides now)")
      ->type_name("VERSION");
  verb.add_option("--note", arguments.note, "why, for the history")->type_name("TEXT");
  verb.add_flag("--yes-lock-out", arguments.yes_lock_out,
                "also when of no active node it is known that it would keep its identity");
  AddChangeFlag(verb, session);
}

void AddEvaluateOptions(CLI::App& verb, PolicyArguments& arguments) {
  AddDirectory(verb, arguments);
  verb.add_option("--point", arguments.point,
                  "admission, standing or issuance (default: as the input says)")
      ->check(CLI::IsMember({"admission", "standing", "issuance"}));
  CLI::App& source = *verb.add_option_group("input");
  source.add_option("--input", arguments.input, "file with the input; - is standard input")
      ->type_name("FILE");
  source.add_option("--decision", arguments.digest, "the recorded input with this digest")
      ->type_name("HEX");
  source.require_option(1);
}

}  // namespace

void AddPolicyCommands(CLI::App& app, Session& session) {
  CLI::App& group = *app.add_subcommand(
      "policy",
      "what decides over nodes and workloads: check, test, show, eval, plan, apply, history, "
      "rollback, sign");
  group.require_subcommand(1);
  const auto arguments = std::make_shared<PolicyArguments>();

  AddDirectory(AddVerb(group, session, arguments, "check",
                       "say whether a policy could be applied, and where it is wrong", Check),
               *arguments);
  AddDirectory(AddVerb(group, session, arguments, "test",
                       "run the tests of a policy: the rules test_* of its *_test.rego", Test),
               *arguments);

  CLI::App& show = AddVerb(group, session, arguments, "show", "print a policy, or write it", Show);
  show.add_option("VERSION", arguments->version, "(default: the one that decides now; 0: shipped)");
  show.add_option("--write", arguments->write, "into this new directory")->type_name("DIR");

  AddEvaluateOptions(
      AddVerb(group, session, arguments, "eval",
              "what a policy says about an input; exit code 4 when it denies", Evaluate),
      *arguments);

  CLI::App& plan =
      AddVerb(group, session, arguments, "plan",
              "decide again what was decided lately, and list what would change", Plan);
  AddDirectory(plan, *arguments);
  plan.add_option("--since", arguments->since, "how far back (default 24h)")->type_name("SPAN");
  AddChangeFlag(plan, session);

  CLI::App& apply =
      AddVerb(group, session, arguments, "apply", "let a policy decide from now on", Apply);
  AddDirectory(apply, *arguments)->required();
  AddApplyOptions(apply, session, *arguments);

  AddVerb(group, session, arguments, "history", "list what decided and decides, newest first",
          History);

  CLI::App& rollback =
      AddVerb(group, session, arguments, "rollback",
              "let the content of an earlier version decide again, as a new version", Rollback);
  rollback.add_option("VERSION", arguments->version, "as in history; 0: as shipped")->required();
  AddApplyOptions(rollback, session, *arguments);

  CLI::App& sign = AddVerb(group, session, arguments, "sign",
                           "sign a policy for issuers that ask for it (policy.signers)", Sign);
  AddDirectory(sign, *arguments)->required();
  sign.add_option("--key", arguments->key, "Ed25519 private key in PEM")
      ->type_name("FILE")
      ->required();
  sign.add_option("--version", arguments->version,
                  "your number of it: higher than any that the issuer took before")
      ->type_name("N")
      ->required()
      ->check(CLI::PositiveNumber);
}

}  // namespace lodekey::cli
