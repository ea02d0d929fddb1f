#include "tests/e2e/deployment.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "platform/file.h"
#include "tests/attest/shared_data.h"
#include "tests/e2e/loopback.h"
#include "tests/support/must.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {
namespace {

void Append(std::vector<std::string>& argv, const std::vector<std::string>& settings) {
  for (const std::string& setting : settings) {
    argv.push_back("--set");
    argv.push_back(setting);
  }
}

std::vector<std::string> Joined(std::vector<std::string> words,
                                const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// The command line of an issuer: everything by --set, nothing from the machine's files.
std::vector<std::string> IssuerArguments(const TempDir& directory, int port,
                                         const std::vector<std::string>& settings) {
  std::vector<std::string> argv = {ProgramPath("lodekey-issuer"), "--config",
                                   directory / "issuer.toml"};
  Append(argv, {fmt::format("listen=127.0.0.1:{}", port), "state_dir=" + (directory / "state"),
                "admin.socket=" + (directory / "admin.sock"),
                "admission.vendor_roots=" + (directory / "roots"), "attestation.interval=1s"});
  Append(argv, settings);
  return argv;
}

// The shipped policy with other choices in its data.json.
void WritePolicy(const std::filesystem::path& directory, const std::vector<std::string>& choices) {
  std::filesystem::copy(SourceTree() / "issuer/policy", directory);
  const std::string path = directory / "data.json";
  auto data = nlohmann::json::parse(Must(platform::ReadTextFile(path)));
  for (const std::string& choice : choices) {
    const size_t equals = choice.find('=');
    data[nlohmann::json::json_pointer(choice.substr(0, equals))] =
        nlohmann::json::parse(choice.substr(equals + 1));
  }
  Must(WriteText(path, data.dump()));
}

// Takes those out that are choices of a policy.
std::vector<std::string> TakeChoices(std::vector<std::string>& settings) {
  const auto choices = std::ranges::stable_partition(
      settings, [](const std::string& setting) { return !setting.starts_with("/"); });
  std::vector<std::string> taken(choices.begin(), choices.end());
  settings.erase(choices.begin(), choices.end());
  return taken;
}

nlohmann::json ParseJson(const std::string& text) {
  return nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
}

}  // namespace

IssuerHost::IssuerHost(TpmVendor* vendor, std::vector<std::string> settings)
    : IssuerHost(vendor, TakeChoices(settings), settings) {}

IssuerHost::IssuerHost(TpmVendor* vendor, const std::vector<std::string>& choices,
                       const std::vector<std::string>& settings)
    : port(FreePort()),
      daemon(IssuerArguments(directory, port, settings), directory / "issuer.log"),
      settings_(settings) {
  if (!choices.empty()) {
    WritePolicy(std::filesystem::path(directory / "policy"), choices);
    init_ = {"init", "--policy", directory / "policy"};
  }
  std::filesystem::create_directory(directory / "roots");
  Must(WriteText(directory / "issuer.toml", fmt::format("trust_domain = \"{}\"\n", kTrustDomain)));
  if (vendor == nullptr) return;
  Must(WriteText(directory / "roots/root.pem", vendor->RootPem()));
  Must(WriteText(directory / "roots/issuer.pem", vendor->IssuerPem()));
}

Finished IssuerHost::TryInit() const {
  return RunProgram(Joined(IssuerArguments(directory, port, settings_), init_));
}

Finished IssuerHost::Check() const {
  return RunProgram(Joined(IssuerArguments(directory, port, settings_), {"check"}));
}

void IssuerHost::Init() {
  const Finished made = TryInit();
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const size_t start = made.out.find("sha256:");
  ASSERT_NE(start, std::string::npos) << made.out;
  pin_ = made.out.substr(start, 7 + 64);
}

void IssuerHost::Start() {
  daemon.Start();
  ASSERT_TRUE(Eventually([&] { return Admin({"node", "list"}).exit_code == 0; })) << daemon.Log();
}

Finished IssuerHost::Admin(std::vector<std::string> arguments) const {
  std::vector<std::string> argv = {ProgramPath("lodekey"), "--admin-socket",
                                   directory / "admin.sock", "-o", "json"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return RunProgram(argv);
}

nlohmann::json IssuerHost::AdminJson(std::vector<std::string> arguments) const {
  const Finished finished = Admin(std::move(arguments));
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  return ParseJson(finished.out);
}

AgentHost::AgentHost(const std::string& issuer_address, const std::string& pin,
                     const std::string& tcti, HostOptions options)
    : daemon(
          Joined(options.prefix, {ProgramPath("lodekeyd"), "--config", directory / "agent.toml"}),
          directory / "agent.log"),
      prefix_(std::move(options.prefix)) {
  std::string text = fmt::format(
      "trust_domain = \"{}\"\nissuer = \"{}\"\nissuer_pins = [\"{}\"]\n"
      "agent.state_dir = \"{}\"\nagent.runtime_dir = \"{}\"\ntpm.tcti = \"{}\"\n"
      "evidence.boot_log = \"{}\"\nevidence.ima_log = \"{}\"\nretry.first = \"100ms\"\nretry.max = "
      "\"500ms\"\n",
      kTrustDomain, issuer_address, pin, directory / "state", directory / "run", tcti,
      directory / "boot_log", directory / "ima_log");
  for (const std::string& setting : options.settings) text += setting + "\n";
  Must(WriteText(directory / "agent.toml", text));
}

void AgentHost::Start() { daemon.Start(); }

Finished AgentHost::Run(std::vector<std::string> arguments, int seconds) const {
  const std::vector<std::string> command = {ProgramPath("lodekey"), "--config",
                                            directory / "agent.toml"};
  return RunProgram(Joined(Joined(prefix_, command), arguments), seconds);
}

nlohmann::json AgentHost::Json(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {"-o", "json"});
  return ParseJson(Run(std::move(arguments)).out);
}

std::string AgentHost::EkHash() const {
  const nlohmann::json shown = Json({"ek"});
  return shown.is_object() ? shown.value("ek_hash", "") : "";
}

bool AgentHost::WaitForProblem(const std::string& code, int seconds) const {
  return Eventually(
      [&] {
        const nlohmann::json status = Status();
        return status.is_object() && status["problem"].is_object() &&
               status["problem"].value("code", "") == code;
      },
      seconds);
}

bool AgentHost::WaitForPhase(const std::string& phase, int seconds) const {
  return Eventually(
      [&] {
        const nlohmann::json status = Status();
        return status.is_object() && status.value("phase", "") == phase;
      },
      seconds);
}

bool AgentHost::WaitForAttestation(int seconds) const {
  const nlohmann::json before = Status();
  const std::string last = before.is_object() ? before.value("last_attested", "") : "";
  return Eventually(
      [&] {
        const nlohmann::json status = Status();
        return status.is_object() && status.value("phase", "") == "enrolled" &&
               status.value("last_attested", "") != last;
      },
      seconds);
}

void AgentHost::Reboot() {
  daemon.Signal(SIGKILL);
  std::filesystem::remove_all(directory / "run");
}

}  // namespace lodekey::test
