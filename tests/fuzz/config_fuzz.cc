// The configuration engine over a hostile document: ends, and either gives a configuration whose
// text form is accepted again, or an error that is safe to print.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "platform/agent_config.h"
#include "platform/escape.h"

namespace {

using lodekey::platform::AgentConfigSchema;
using lodekey::platform::BuildConfig;
using lodekey::platform::Config;
using lodekey::platform::ConfigInputs;

void CheckError(const lodekey::Error& error) {
  if (error.text.empty() || error.name != "config-invalid") std::abort();
  if (!lodekey::platform::IsPrintable(error.text)) std::abort();
}

// A configuration given again as text is the same one. (The agent's lists hold no commas.)
void CheckRoundTrip(const Config& config) {
  const auto rows = config.Dump();
  ConfigInputs inputs;
  for (const Config::Row& row : rows) {
    inputs.command_line.push_back({.key = row.key, .text = row.value.value()});
  }
  const auto again = BuildConfig(AgentConfigSchema(), inputs);
  if (!again) std::abort();
  const auto rows_again = again->Dump();
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].value != rows_again[i].value) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  auto config =
      BuildConfig(AgentConfigSchema(), {.documents = {{.name = "fuzz.toml", .text = text}},
                                        .command_line = {{"trust_domain", "fleet.example"}}});
  if (!config) {
    CheckError(config.error());
    return 0;
  }
  CheckRoundTrip(*config);
  const auto agent = lodekey::platform::ToAgentConfig(std::move(*config));
  if (!agent) CheckError(agent.error());
  return 0;
}
