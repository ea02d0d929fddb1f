// Engines over small policies, with real workers.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "issuer/policy_engine.h"
#include "tests/support/program.h"

namespace lodekey::issuer {

inline constexpr std::string_view kRule = "data.lodekey.issuance.decision";

#if defined(LODEKEY_SANITIZED)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

inline PolicyEngineOptions Options() {
  return {.program = test::ProgramPath("lodekey-policy-worker"), .workers = 1};
}

// The body of package lodekey.issuance, from the third line on.
inline PolicyBundle Bundle(const std::string& body) {
  return {.files = {{"issuance.rego", "package lodekey.issuance\n\n" + body}}};
}

inline Result<std::unique_ptr<PolicyEngine>> Load(const std::string& body) {
  return PolicyEngine::Load(Bundle(body), Options());
}

inline Result<std::string> Ask(PolicyEngine& engine, const std::string& input = "{}",
                               std::string_view rule = kRule) {
  return engine.Evaluate(rule, {input}).front();
}

// The value of `body` at once.
inline Result<std::string> Value(const std::string& body, const std::string& input = "{}") {
  ASSIGN_OR_RETURN(const auto engine, Load(body), "load");
  return Ask(*engine, input);
}

inline Error ErrorOf(const Result<std::string>& result) {
  return result ? Error{.text = "no error, but " + *result} : result.error();
}

inline Error LoadError(const std::string& body) {
  const auto loaded = Load(body);
  return loaded ? Error{.text = "no error"} : loaded.error();
}

}  // namespace lodekey::issuer
