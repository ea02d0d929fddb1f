#include "issuer/policy_probes.h"

#include <nlohmann/json.hpp>

namespace lodekey::issuer {
namespace {

using Json = nlohmann::ordered_json;

// No honest input has these: no switch of any data.json can be meant for them.
constexpr const char* kNowhere = "probe.invalid";
constexpr const char* kWrong = "probe-wrong";
constexpr int64_t kProbeTime = 1'763'839'227;

Json Node(bool known) {
  return {{"id", std::string(64, '0')},
          {"spiffe_id", ""},
          {"standing", known ? "removed" : ""},
          {"group", kWrong},
          {"known", known},
          {"created", 0},
          {"enrolled", 0},
          {"evidence_time", 0},
          {"evidence_age", kProbeTime}};
}

Json Facts() {
  return {{"proved",
           {{"assurance", "none"},
            {"assurance_reason", kWrong},
            {"attestation_key", "new"},
            {"firmware_changed", "yes"},
            {"clock_safe", "no"}}},
          {"kernel_measured", Json::object()},
          {"recorded",
           {{"boot_log", "absent"}, {"ledger_register", "absent"}, {"ledger_touched", "yes"}}},
          {"observed", {{"selectors", Json::array()}}},
          {"declared", {{"labels", Json::object()}, {"reference_values", "absent"}}}};
}

Json Findings() {
  Json findings = Json::array();
  for (const char* code :
       {"boot-log-changed", "claim-missing", "claim-other-ak", "ledger-mismatch", "ledger-register",
        "ledger-rewritten", "pcr-changed-in-boot", "pcr-not-approved", kWrong})
    findings.push_back(
        {{"code", code}, {"subject", ""}, {"expected", ""}, {"seen", ""}, {"accept", ""}});
  return findings;
}

Json Entry() {
  return {{"id", kWrong},
          {"revision", 0},
          {"spiffe_id", "spiffe://probe.invalid/probe"},
          {"selectors", {"unix:uid:4294967295"}},
          {"x509_ttl", 1},
          {"jwt_ttl", 1},
          {"dns_names", Json::array()},
          {"common_name", ""},
          {"hint", ""},
          {"jwt_audiences", Json::array()},
          {"owner", ""},
          {"expires", 1},
          {"prefetch", false}};
}

Json Request(PolicyPoint point, const std::string& kind) {
  switch (point) {
    case PolicyPoint::kAdmission: return {{"kind", kind}, {"stage", "finish"}};
    case PolicyPoint::kStanding: return {{"kind", kind}};
    case PolicyPoint::kIssuance: break;
  }
  return {{"kind", kind}, {"audience", {kNowhere}}, {"scope", {kWrong}}, {"task", ""}, {"ttl", 1}};
}

std::string Probe(PolicyPoint point, bool known, const std::string& kind) {
  Json input = {{"schema", 1},
                {"point", PolicyPointName(point)},
                {"trust_domain", kNowhere},
                {"time",
                 {{"unix", kProbeTime},
                  {"rfc3339", "2025-11-22T19:20:27Z"},
                  {"weekday", "saturday"},
                  {"minute", 1160}}},
                {"node", Node(known)},
                {"facts", Facts()}};
  if (point == PolicyPoint::kStanding) input["findings"] = Findings();
  if (point == PolicyPoint::kIssuance) input["entry"] = Entry();
  input["request"] = Request(point, kind);
  return input.dump();
}

}  // namespace

std::vector<std::string> ProbesOf(PolicyPoint point) {
  std::vector<std::string> probes = {"{}"};
  const std::vector<std::string> kinds = point == PolicyPoint::kIssuance
                                             ? std::vector<std::string>{"x509", "jwt", kWrong}
                                             : std::vector<std::string>{"node", kWrong};
  for (const bool known : {false, true}) {
    for (const std::string& kind : kinds) probes.push_back(Probe(point, known, kind));
  }
  return probes;
}

bool GivesAway(PolicyPoint point, const PolicyOutput& output) {
  const bool asks_first = point == PolicyPoint::kAdmission && output.approval;
  return output.allow && !asks_first;
}

}  // namespace lodekey::issuer
