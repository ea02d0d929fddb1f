// ek: what the issuer has to know of this host's TPM. Needs neither agent nor issuer.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/endorsement_key.h"
#include "cli/session.h"
#include "platform/file.h"

namespace lodekey::cli {
namespace {

constexpr mode_t kPemMode = 0644;

struct EkArguments {
  std::string tcti = {};
  std::string pem = {};
};

Result<std::string> TctiOf(const Session& session, const std::string& given) {
  if (!given.empty()) return given;
  const auto config = session.LoadPartialConfig();
  if (!config) return std::unexpected(config.error());
  return config->Text("tpm.tcti");
}

Result<ExitCode> ShowEk(Session& session, const EkArguments& arguments) {
  const auto tcti = TctiOf(session, arguments.tcti);
  if (!tcti) return std::unexpected(tcti.error());
  const auto device = tpm::Device::Open(*tcti);
  if (!device) return std::unexpected(device.error());
  const auto ek = ReadEndorsementKey(**device);
  if (!ek) return std::unexpected(ek.error());
  if (!arguments.pem.empty()) {
    const std::string pem = EkPem(*ek);
    RETURN_IF_ERROR(platform::WriteFileAtomically(arguments.pem, AsBytes(pem), kPemMode),
                    "write the endorsement key");
  }
  if (session.json()) {
    session.PrintJson(EkJson(*ek));
  } else {
    session.Print(EkText(*ek));
  }
  return ExitCode::kDone;
}

}  // namespace

void AddEkCommand(CLI::App& app, Session& session) {
  CLI::App& command = *app.add_subcommand(
      "ek", "show this TPM's endorsement key, by which the issuer admits the host");
  const auto arguments = std::make_shared<EkArguments>();
  command.add_option("--tcti", arguments->tcti,
                     "how to reach the TPM (default: tpm.tcti of the configuration)");
  command.add_option("--pem", arguments->pem, "also write key and certificate to this file")
      ->type_name("FILE");
  command.callback([&session, arguments] {
    session.verb = [&session, arguments] { return ShowEk(session, *arguments); };
  });
}

}  // namespace lodekey::cli
