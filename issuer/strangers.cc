#include "issuer/strangers.h"

#include "platform/clock.h"

namespace lodekey::issuer {
namespace {

std::unexpected<Error> TooMany(std::string_view name) {
  return Fail(Code::kUnavailable, "strangers ask more often than they may",
              {.name = std::string(name), .advice = "It is tried again by itself."});
}

}  // namespace

Strangers::Strangers(const IssuerConfig& config)
    : calls_(RateLimit::kNoTotal, kCallsPerSource),
      refusals_(config.enrolments_per_second, config.enrolments_per_source) {}

Result<void> Strangers::Admit(const std::string& source, std::string_view too_many) {
  if (!calls_.Allow(source, platform::Uptime())) return TooMany(too_many);
  return {};
}

Result<void> Strangers::Charge(const std::string& source, std::string_view too_many) {
  if (!refusals_.Allow(source, platform::Uptime())) return TooMany(too_many);
  return {};
}

std::unexpected<Error> Strangers::Refuse(const std::string& source, Error reason,
                                         std::string_view too_many) {
  if (auto charged = Charge(source, too_many); !charged)
    return std::unexpected(std::move(charged.error()));
  return std::unexpected(std::move(reason));
}

}  // namespace lodekey::issuer
