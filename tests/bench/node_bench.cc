// What a node asks of its chip: commands and bytes of an enrolment, and of a re-attestation, warm
// and cold, counted between ESYS and the emulator. Prints a table beside the budgets;
// nothing here depends on time.
#include <fmt/format.h>
#include <tss2/tss2_tpm2_types.h>

#include "tests/agent/node_run.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

void Row(std::string_view what, const TpmTraffic& traffic, std::string_view budget) {
  fmt::print("{:<44} {:>8} {:>8} {:>9}   {}\n", what, traffic.commands, traffic.bytes_sent,
             traffic.bytes_received, budget);
}

void Run() {
  NodeRun run;
  const auto reply = run.Enrol();
  fmt::print("{:<44} {:>8} {:>8} {:>9}   {}\n", "TPM traffic", "commands", "sent", "received",
             "budget");
  Row("enrolment, from opening the device", run.probe.traffic(),
      "24, and 1-3 for each EK chain index");
  run.probe.Reset();
  Must(run.client->Attest({}));
  Row("TLS handshake with the node key", run.probe.traffic(), "1");
  run.probe.Reset();
  const auto warm = run.Attest(reply.response.next(), /*with_values=*/false);
  Row("re-attestation, warm", run.probe.traffic(), "1");
  run.probe.Reset();
  const auto read = run.Attest(warm.next(), /*with_values=*/true);
  Row("re-attestation, PCRs read", run.probe.traffic(), "3");
  run.OpenTpm();
  run.client->UseIdentity(run.identity.ChainPem(), run.node_tpm->tls_key_reference(),
                          *run.client->authority());
  run.Attest(read.next(), /*with_values=*/true);
  Row("re-attestation after a restart, with handshake", run.probe.traffic(),
      "8, and 1 for the handshake");
}

}  // namespace
}  // namespace lodekey::test

int main() {
  lodekey::test::Run();
  return 0;
}
