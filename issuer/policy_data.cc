#include "issuer/policy_data.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace lodekey::issuer {
namespace {

using Json = nlohmann::json;

std::unexpected<Error> Invalid(std::string_view key, std::string_view rule) {
  return Fail(Code::kInvalidArgument, fmt::format("data.json: {} {}", key, rule),
              {.name = "policy-invalid",
               .advice = "Correct the policy's data.json; the shipped one: lodekey policy show "
                         "--version 0"});
}

// What cannot hold a claim whatever the rest of the configuration says: firmware and boot loader
// extend 0-9, IMA extends 10, and 16-23 can be reset within a boot (PC Client Platform TPM Profile,
// PCR attributes).
constexpr tpm::PcrMask kNeverLedger = 0xff07ff;

// The keys of `appraisal`: those that are read here, and the switches of the shipped rules. A slip
// of the pen in one of them would be a rule that somebody believes in.
constexpr std::array<std::string_view, 4> kTexts = {"bank", "required_pcrs", "static_pcrs",
                                                    "ledger_registers"};
constexpr std::array<std::string_view, 5> kSwitches = {"require_references", "require_claim",
                                                       "accept_touched_ledger",
                                                       "accept_firmware_change", "accept_new_ak"};
constexpr std::string_view kFindings = "accept_findings";

Result<void> CheckKey(const std::string& name, const Json& value) {
  const std::string key = "appraisal." + name;
  if (std::ranges::count(kTexts, name) != 0) {
    if (!value.is_string()) return Invalid(key, "is not a text");
  } else if (std::ranges::count(kSwitches, name) != 0) {
    if (!value.is_boolean()) return Invalid(key, "is not true or false");
  } else if (name == kFindings) {
    if (!value.is_array() || !std::ranges::all_of(value, &Json::is_string))
      return Invalid(key, "is not a list of texts");
  } else {
    return Invalid(key, "is no key that is known");
  }
  return {};
}

Result<Json> ObjectIn(const Json& data, const char* name) {
  const auto found = data.find(name);
  if (found == data.end()) return Json::object();
  if (!found->is_object()) return Invalid(name, "is not an object");
  return *found;
}

Result<void> ReadMask(const Json& appraisal, const char* name, tpm::PcrMask& mask) {
  const auto found = appraisal.find(name);
  if (found == appraisal.end()) return {};
  const auto parsed = tpm::ParsePcrMask(found->get_ref<const std::string&>());
  if (!parsed)
    return Invalid(fmt::format("appraisal.{}", name), "is not PCR numbers such as 0-9,14");
  mask = *parsed;
  return {};
}

Result<void> CheckLedgerRegisters(const attest::AppraisalPolicy& policy) {
  constexpr std::string_view kKey = "appraisal.ledger_registers";
  if ((policy.ledger_registers & kNeverLedger) != 0) {
    return Invalid(kKey,
                   fmt::format("has PCR {}: only 11 to 15 can hold a ledger, because 0-9 hold "
                               "the boot, 10 is IMA's and 16-23 can be reset within a boot",
                               tpm::FormatPcrMask(policy.ledger_registers & kNeverLedger)));
  }
  // A register that may not change within a boot cannot hold what is recorded in it.
  const tpm::PcrMask both = policy.ledger_registers & policy.static_pcrs;
  if (both == 0) return {};
  return Invalid(kKey, fmt::format("has PCR {}, which is in appraisal.static_pcrs too",
                                   tpm::FormatPcrMask(both)));
}

Result<attest::AppraisalPolicy> ReadAppraisal(const Json& appraisal) {
  for (const auto& [name, value] : appraisal.items())
    RETURN_IF_ERROR(CheckKey(name, value), "policy");
  attest::AppraisalPolicy policy;
  if (const auto bank = appraisal.find("bank"); bank != appraisal.end()) {
    const auto parsed = crypto::ParseHashName(bank->get_ref<const std::string&>());
    const bool quoted = parsed == crypto::HashAlg::kSha256 || parsed == crypto::HashAlg::kSha384;
    if (!quoted) return Invalid("appraisal.bank", "is neither sha256 nor sha384");
    policy.bank = *parsed;
  }
  RETURN_IF_ERROR(ReadMask(appraisal, "required_pcrs", policy.required), "policy");
  RETURN_IF_ERROR(ReadMask(appraisal, "static_pcrs", policy.static_pcrs), "policy");
  RETURN_IF_ERROR(ReadMask(appraisal, "ledger_registers", policy.ledger_registers), "policy");
  RETURN_IF_ERROR(CheckLedgerRegisters(policy), "policy");
  return policy;
}

// Where everything is allowed, and the policy says so.
Result<std::vector<PolicyPoint>> ReadPoints(const Json& value) {
  using Points = std::vector<PolicyPoint>;
  constexpr std::string_view kKey = "lodekey.unsafe_allow_all";
  if (value.is_boolean())
    return value.get<bool>() ? Points(kPolicyPoints.begin(), kPolicyPoints.end()) : Points();
  if (!value.is_array()) return Invalid(kKey, "is neither true, false nor a list of points");
  Points points;
  for (const Json& name : value) {
    const auto point = ParsePolicyPoint(name.is_string() ? name.get<std::string>() : "");
    if (!point) return Invalid(kKey, "names something else than admission, standing and issuance");
    points.push_back(*point);
  }
  return points;
}

}  // namespace

Result<PolicyData> ReadPolicyData(std::string_view json) {
  const Json data = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!data.is_object()) return Invalid("the document", "is not a JSON object");
  PolicyData read;
  ASSIGN_OR_RETURN(const Json appraisal, ObjectIn(data, "appraisal"), "policy");
  ASSIGN_OR_RETURN(read.appraisal, ReadAppraisal(appraisal), "policy");
  ASSIGN_OR_RETURN(const Json own, ObjectIn(data, "lodekey"), "policy");
  for (const auto& [name, value] : own.items()) {
    if (name != "unsafe_allow_all") return Invalid("lodekey." + name, "is no key that is known");
    ASSIGN_OR_RETURN(read.unsafe_allow_all, ReadPoints(value), "policy");
  }
  return read;
}

}  // namespace lodekey::issuer
