#include "cli/doctor_host.h"

#include <fmt/format.h>

#include "cli/socket_probe.h"
#include "cli/status_view.h"
#include "cli/text.h"
#include "platform/config_checks.h"
#include "platform/host_port.h"
#include "platform/measurement_log.h"
#include "platform/unix_listener.h"

namespace lodekey::cli {
namespace {

// Enough to see that the list can be read.
constexpr size_t kImaPeek = 4096;

// Node certificates begin one minute before they are made.
constexpr Duration kToleratedSkew = std::chrono::minutes(1);

// What both logs have in common: `content` is their beginning, or nothing where the host has none.
Check CheckLog(const std::string& id, const std::string& name,
               const Result<std::optional<Bytes>>& content, const std::string& if_absent) {
  if (!content) {
    return FailedCheck(id, content.error(), "The agent cannot send what it cannot read.");
  }
  if (*content) return {.id = id, .what = fmt::format("the {} is readable", name)};
  return {.id = id,
          .level = Level::kWarn,
          .what = fmt::format("this host has no {}", name),
          .why = if_absent,
          .fix = "Nothing has to be done unless the issuer's policy asks for it."};
}

}  // namespace

Check CheckConfig(const Result<platform::AgentConfig>& config) {
  const std::string why = "lodekeyd does not start with it.";
  if (config) {
    if (const auto group = platform::FindGroup(config->group); !group) {
      return FailedCheck("configuration", Error(group.error()).Wrapped("agent.group"), why);
    }
    return {.id = "configuration",
            .what = fmt::format("valid: trust domain {}, issuer {}", config->trust_domain,
                                platform::FormatHostPort(config->issuer))};
  }
  return FailedCheck(
      "configuration", config.error(), why,
      config.error().advice.empty() ? "Correct it; then: lodekey config show --origin" : "");
}

Check CheckBootLog(const std::string& path) {
  return CheckLog("boot-log", "boot log", platform::ReadBootLog(path),
                  "The registers then say that something changed in the boot, not what.");
}

Check CheckImaLog(const std::string& path) {
  return CheckLog("ima-log", "IMA list", platform::ReadImaLog(path, 0, kImaPeek),
                  "The issuer then learns nothing of what runs after the boot.");
}

Check CheckClock(Time now, Time release, Time agent) {
  const std::string fix = "Set it: timedatectl set-ntp true (or: date -s ...; hwclock -w)";
  if (now < release) {
    return {.id = "clock",
            .level = Level::kFail,
            .what = fmt::format("the clock shows {}, before this version was released",
                                FormatTime(now)),
            .why = "Applications take every certificate for one that is not valid yet.",
            .fix = fix};
  }
  if (std::chrono::abs(now - agent) < kToleratedSkew)
    return {.id = "clock", .what = fmt::format("it is {}", FormatTime(now))};
  return {.id = "clock",
          .level = Level::kWarn,
          .what = fmt::format("the clock shows {}, {} {} of what the agent knows from its issuer",
                              FormatTime(now), FormatRoughly(std::chrono::abs(now - agent)),
                              now < agent ? "behind" : "ahead"),
          .why =
              "The agent goes by the issuer's clock, but applications here may take good "
              "certificates for expired, or for not valid yet.",
          .fix = fix};
}

Check CheckAgent(const Result<agent::v1::Status>& status, Time now) {
  if (!status) {
    return FailedCheck("agent", status.error(),
                       "Without the agent nobody renews this host's identity.");
  }
  const bool served = ServingOf(*status, now) == Serving::kServed;
  Check check{.id = "agent", .what = fmt::format("the agent answers, and is {}", status->phase())};
  if (served && !status->has_problem()) return check;
  check.level = served ? Level::kWarn : Level::kFail;
  check.why = status->has_problem() ? status->problem().text() : "It serves no identity.";
  check.fix = status->has_problem() && !status->problem().advice().empty()
                  ? status->problem().advice()
                  : "See: lodekey status";
  return check;
}

Check CheckIssuerPort(const std::string& issuer, Duration limit) {
  const std::string why = "The agent cannot enrol or renew without the issuer.";
  if (issuer.empty()) {
    return {.id = "issuer-port",
            .level = Level::kWarn,
            .what = "not looked at: the configuration names no issuer, or not well",
            .why = why,
            .fix = "See the line 'configuration'."};
  }
  const auto address = platform::ParseHostPort(issuer, platform::kIssuerPort);
  if (!address)
    return FailedCheck("issuer-port", address.error(), why,
                       "Correct 'issuer' in the agent's configuration.");
  const auto connected = ProbeTcp(*address, limit);
  if (connected) {
    return {.id = "issuer-port",
            .what = fmt::format("{} takes connections", platform::FormatHostPort(*address))};
  }
  return FailedCheck("issuer-port", connected.error(), why,
                     "Check the address, firewalls on the way, and that lodekey-issuer runs.");
}

}  // namespace lodekey::cli
