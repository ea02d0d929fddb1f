#include "issuer/ruling.h"

#include <algorithm>
#include <array>
#include <tuple>

#include <fmt/format.h>

#include "issuer/node_limits.h"
#include "issuer/strict_json.h"
#include "platform/escape.h"

namespace lodekey::issuer {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxOutputBytes = size_t{512} << 10;
constexpr size_t kMaxCode = 64;
constexpr size_t kMaxRuleName = 256;
constexpr size_t kShownBytes = 64;
constexpr uint64_t kMostSeconds = uint64_t{365} * 24 * 3600;

std::unexpected<Error> Malformed(std::string text) {
  return Fail(
      Code::kInvalidArgument, std::move(text),
      {.name = "policy-output", .advice = "The form of a policy's output is in docs/policy.md."});
}

std::string Quoted(std::string_view text) {
  return fmt::format("'{}'", platform::EscapeControl(text.substr(0, kShownBytes)));
}

Result<void> ReadText(const Json& json, size_t max, std::string& text) {
  if (!json.is_string()) return Malformed("is not a string");
  const auto& read = json.get_ref<const std::string&>();
  if (read.size() > max)
    return Malformed(fmt::format("has {} bytes, at most {} are allowed", read.size(), max));
  if (!platform::IsPrintable(read)) return Malformed("has control characters");
  text = read;
  return {};
}

Result<void> ReadFlag(const Json& json, bool& flag) {
  if (!json.is_boolean()) return Malformed("is not true or false");
  flag = json.get<bool>();
  return {};
}

Result<void> ReadSeconds(const Json& json, uint64_t least, std::optional<Duration>& duration) {
  if (!json.is_number_unsigned() || json.get<uint64_t>() < least ||
      json.get<uint64_t>() > kMostSeconds)
    return Malformed(
        fmt::format("is not a whole number of seconds from {} to {}", least, kMostSeconds));
  duration = std::chrono::seconds(json.get<uint32_t>());
  return {};
}

Result<void> ReadCode(const Json& json, std::string& code) {
  RETURN_IF_ERROR(ReadText(json, kMaxCode, code), "code");
  const bool kebab = !code.empty() && std::ranges::all_of(code, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (kebab) return {};
  return Malformed(fmt::format("code: {} is not made of a-z, 0-9 and '-'", Quoted(code)));
}

// A member of a JSON object, and where it belongs.
template <class Target>
struct Field {
  std::string_view name;
  Result<void> (*read)(const Json&, Target&);
};

template <class Target, size_t kCount>
Result<void> ReadFields(const Json& json, const std::array<Field<Target>, kCount>& fields,
                        Target& target) {
  if (!json.is_object()) return Malformed("is not an object");
  for (const auto& [name, member] : json.items()) {
    const auto field = std::ranges::find(fields, name, &Field<Target>::name);
    if (field == fields.end())
      return Malformed(fmt::format("has an unknown field {}", Quoted(name)));
    RETURN_IF_ERROR(field->read(member, target), field->name);
  }
  return {};
}

constexpr auto kReasonFields = std::to_array<Field<Reason>>({
    {"code", [](const Json& json, Reason& reason) { return ReadCode(json, reason.code); }},
    {"subject",
     [](const Json& json, Reason& r) { return ReadText(json, kMaxReasonText, r.subject); }},
    {"expected",
     [](const Json& json, Reason& r) { return ReadText(json, kMaxReasonText, r.expected); }},
    {"seen", [](const Json& json, Reason& r) { return ReadText(json, kMaxReasonText, r.seen); }},
    {"text", [](const Json& json, Reason& r) { return ReadText(json, kMaxReasonText, r.text); }},
    {"accept",
     [](const Json& json, Reason& r) { return ReadText(json, kMaxReasonText, r.accept); }},
    {"message_only", [](const Json& json, Reason& r) { return ReadFlag(json, r.message_only); }},
});

Result<void> ReadReasons(const Json& json, PolicyOutput& output) {
  if (!json.is_array()) return Malformed("is not an array");
  if (json.size() > kMaxReasons)
    return Malformed(fmt::format("are {}, at most {} are allowed", json.size(), kMaxReasons));
  for (const Json& element : json) {
    Reason& reason = output.reasons.emplace_back();
    const std::string which = fmt::format("[{}]", output.reasons.size() - 1);
    RETURN_IF_ERROR(ReadFields(element, kReasonFields, reason), which);
    if (reason.code.empty()) return Malformed(which + ": has no code");
  }
  std::ranges::stable_sort(output.reasons, {}, [](const Reason& reason) {
    return std::tie(reason.code, reason.subject);
  });
  return {};
}

struct Obligation {
  std::string kind = {};
  std::optional<Duration> within = {};
};

constexpr auto kObligationFields = std::to_array<Field<Obligation>>({
    {"kind", [](const Json& json, Obligation& o) { return ReadText(json, kMaxCode, o.kind); }},
    {"within",
     [](const Json& json, Obligation& o) {
       return ReadSeconds(json, static_cast<uint64_t>(kLeastEvidenceAge / std::chrono::seconds(1)),
                          o.within);
     }},
});

Result<void> Oblige(const Obligation& obligation, PolicyOutput& output) {
  const bool evidence = obligation.kind == "evidence";
  if (!evidence && obligation.kind != "approval")
    return Malformed(fmt::format("there is no obligation {}", Quoted(obligation.kind)));
  if (evidence != obligation.within.has_value())
    return Malformed("'within' belongs to 'evidence', and to nothing else");
  if (evidence ? output.evidence_within.has_value() : output.approval)
    return Malformed(fmt::format("'{}' stands twice", obligation.kind));
  if (evidence) {
    output.evidence_within = obligation.within;
  } else {
    output.approval = true;
  }
  return {};
}

Result<void> ReadObligations(const Json& json, PolicyOutput& output) {
  if (!json.is_array()) return Malformed("is not an array");
  for (const Json& element : json) {
    Obligation obligation;
    RETURN_IF_ERROR(ReadFields(element, kObligationFields, obligation), "obligation");
    RETURN_IF_ERROR(Oblige(obligation, output), "obligation");
  }
  return {};
}

Result<void> ReadLabels(const Json& json, PolicyOutput& output) {
  if (!json.is_object()) return Malformed("is not an object");
  if (json.size() > kMaxLabels)
    return Malformed(fmt::format("are {}, at most {} are allowed", json.size(), kMaxLabels));
  for (const auto& [name, value] : json.items()) {
    const std::string which = Quoted(name);
    if (name.empty() || name.size() > kMaxLabelName || !platform::IsPrintable(name))
      return Malformed(
          fmt::format("{} is not a label's name of 1 to {} bytes", which, kMaxLabelName));
    RETURN_IF_ERROR(ReadText(value, kMaxLabelValue, output.labels[name]), which);
  }
  return {};
}

constexpr auto kOutputFields = std::to_array<Field<PolicyOutput>>({
    {"allow", [](const Json& json, PolicyOutput& o) { return ReadFlag(json, o.allow); }},
    {"rule",
     [](const Json& json, PolicyOutput& o) { return ReadText(json, kMaxRuleName, o.rule); }},
    {"reasons", ReadReasons},
    {"ttl", [](const Json& json, PolicyOutput& o) { return ReadSeconds(json, 1, o.ttl); }},
    {"obligations", ReadObligations},
    {"labels", ReadLabels},
});

// A field that nobody would act on is a mistake of who wrote it.
Result<void> CheckPoint(PolicyPoint point, const PolicyOutput& output) {
  const auto belongs = [&](bool present, PolicyPoint where, std::string_view what) -> Result<void> {
    if (!present || point == where) return {};
    return Malformed(fmt::format("{} belongs to the point '{}', this is '{}'", what,
                                 PolicyPointName(where), PolicyPointName(point)));
  };
  RETURN_IF_ERROR(belongs(output.ttl.has_value(), PolicyPoint::kIssuance, "'ttl'"), "output");
  RETURN_IF_ERROR(belongs(output.evidence_within.has_value(), PolicyPoint::kIssuance,
                          "the obligation 'evidence'"),
                  "output");
  RETURN_IF_ERROR(belongs(output.approval, PolicyPoint::kAdmission, "the obligation 'approval'"),
                  "output");
  return belongs(!output.labels.empty(), PolicyPoint::kAdmission, "'labels'");
}

Result<void> CheckSense(const PolicyOutput& output) {
  if (output.rule.empty()) return Malformed("'rule' is missing: which rule decided");
  if (output.allow && !output.reasons.empty())
    return Malformed("allows, and has reasons: they are for denials");
  if (output.allow) return {};
  if (output.reasons.empty()) return Malformed("denies without a reason");
  const bool gives =
      output.ttl || output.evidence_within || output.approval || !output.labels.empty();
  if (gives) return Malformed("denies, and has more than reasons");
  return {};
}

}  // namespace

std::string_view PolicyPointName(PolicyPoint point) {
  switch (point) {
    case PolicyPoint::kAdmission: return "admission";
    case PolicyPoint::kStanding: return "standing";
    case PolicyPoint::kIssuance: return "issuance";
  }
  return "issuance";
}

Result<PolicyPoint> ParsePolicyPoint(std::string_view name) {
  const auto* const found = std::ranges::find(kPolicyPoints, name, PolicyPointName);
  if (found != kPolicyPoints.end()) return *found;
  return Fail(
      Code::kInvalidArgument,
      fmt::format("{} is not a point of decision: admission, standing or issuance", Quoted(name)));
}

std::string PolicyRule(PolicyPoint point) {
  return fmt::format("data.lodekey.{}.decision", PolicyPointName(point));
}

Result<PolicyOutput> ReadPolicyOutput(PolicyPoint point, std::string_view json) {
  const auto parsed = ParseStrictJson(json, kMaxOutputBytes);
  if (!parsed) return Malformed("the policy's output: " + parsed.error().text);
  PolicyOutput output;
  RETURN_IF_ERROR(ReadFields(*parsed, kOutputFields, output), "the policy's output");
  if (!parsed->contains("allow")) return Malformed("the policy's output: 'allow' is missing");
  RETURN_IF_ERROR(CheckSense(output), "the policy's output");
  RETURN_IF_ERROR(CheckPoint(point, output), "the policy's output");
  return output;
}

}  // namespace lodekey::issuer
