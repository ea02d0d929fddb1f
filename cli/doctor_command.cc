// doctor: what keeps this host from having an identity, from the configuration to the issuer.
#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "attest/ledger.h"
#include "cli/check.h"
#include "cli/commands.h"
#include "cli/doctor_host.h"
#include "cli/doctor_tpm.h"
#include "cli/session.h"
#include "cli/status_view.h"
#include "platform/clock.h"
#include "platform/file.h"

namespace lodekey::cli {
namespace {

constexpr Duration kTpmLimit = std::chrono::seconds(20);
constexpr Duration kIssuerLimit = std::chrono::seconds(3);

// The register's value by the ledger the agent keeps; empty where that cannot be read.
Bytes RecordedValue(const std::string& runtime_dir, uint32_t pcr) {
  const auto content = platform::ReadFile(runtime_dir + "/ledger.cel", attest::kMaxLedgerSize);
  if (!content) return {};
  const auto ledger = attest::ParseLedger(*content);
  if (!ledger || ledger->empty() || ledger->front().pcr != pcr) return {};
  return attest::ReplayLedger(*ledger, crypto::HashAlg::kSha256).value_or(Bytes{});
}

LedgerExpectation ExpectLedger(const platform::Config& config, bool enrolled) {
  LedgerExpectation expectation{.known = config.Has("tpm.ledger_pcr"), .enrolled = enrolled};
  if (!expectation.known) return expectation;
  const std::string& register_text = config.Text("tpm.ledger_pcr");
  if (register_text == "none") return expectation;
  expectation.pcr = static_cast<uint32_t>(std::stoul(register_text));  // the schema has checked it
  if (config.Has("agent.runtime_dir")) {
    expectation.recorded = RecordedValue(config.Text("agent.runtime_dir"), *expectation.pcr);
  }
  return expectation;
}

void Add(std::vector<Check>& checks, std::vector<Check> more) {
  std::ranges::move(more, std::back_inserter(checks));
}

// Each as far as its settings are known.
std::vector<Check> CheckHost(const platform::Config& config, bool enrolled) {
  std::vector<Check> checks;
  if (config.Has("tpm.tcti")) {
    Add(checks,
        CheckTpm(ObserveTpm(config.Text("tpm.tcti"), kTpmLimit), ExpectLedger(config, enrolled)));
  }
  if (config.Has("evidence.boot_log")) {
    checks.push_back(CheckBootLog(config.Text("evidence.boot_log")));
  }
  if (config.Has("evidence.ima_log")) {
    checks.push_back(CheckImaLog(config.Text("evidence.ima_log")));
  }
  return checks;
}

Result<ExitCode> Doctor(Session& session) {
  const auto config = session.LoadConfig();
  const platform::Config known = session.ReadConfig().config;
  session.FindAgentBy(known);
  const auto status = session.AskAgent(&AgentClient::ShowStatus);
  const Time now = status ? AgentTime(*status, session.Now()) : session.Now();
  const bool enrolled = status && ServingOf(*status, now) == Serving::kServed;
  std::vector<Check> checks{CheckConfig(config)};
  Add(checks, CheckHost(known, enrolled));
  checks.push_back(CheckClock(session.Now(), platform::BuildTime(), now));
  checks.push_back(CheckAgent(status, now));
  checks.push_back(CheckIssuerPort(known.Has("issuer") ? known.Text("issuer") : "", kIssuerLimit));
  if (session.json()) {
    session.PrintJson({{"healthy", !AnyFailed(checks)}, {"checks", ChecksJson(checks)}});
  } else {
    session.Print(ChecksText(checks));
  }
  return AnyFailed(checks) ? ExitCode::kFailure : ExitCode::kDone;
}

}  // namespace

void AddDoctorCommand(CLI::App& app, Session& session) {
  app.add_subcommand("doctor", "look for what keeps this host from having an identity")
      ->callback([&session] { session.verb = [&session] { return Doctor(session); }; });
}

}  // namespace lodekey::cli
