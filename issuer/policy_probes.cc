#include "issuer/policy_probes.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <nlohmann/json.hpp>

namespace lodekey::issuer {
namespace {

using Json = nlohmann::json;

// A host of hardware that the inventory has, or an entry's own process on it.
constexpr std::string_view kSound = R"({
  "schema": 1,
  "trust_domain": "probe.invalid",
  "node": {
    "id": "0000000000000000000000000000000000000000000000000000000000000000",
    "spiffe_id": "spiffe://probe.invalid/node/0000000000000000000000000000000000000000000000000000000000000000",
    "standing": "active", "group": "default", "known": true, "evidence_age": 1
  },
  "facts": {
    "proved": {"assurance": "hardware", "assurance_reason": "", "attestation_key": "same",
               "firmware_changed": "no", "clock_safe": "yes"},
    "kernel_measured": {},
    "recorded": {"boot_log": "absent", "ledger_register": "13", "ledger_touched": "no"},
    "observed": {"source": "192.0.2.1"},
    "declared": {"labels": {}, "reference_values": "present"}
  }
})";

constexpr std::string_view kSoundAdmission = R"({"request": {"kind": "node", "stage": "finish"}})";

constexpr std::string_view kSoundStanding = R"({"request": {"kind": "node"}, "findings": []})";

constexpr std::string_view kSoundIssuance = R"({
  "facts": {"observed": {"selectors": ["unix:uid:1000"]}},
  "entry": {"id": "probe", "revision": 1, "spiffe_id": "spiffe://probe.invalid/probe",
            "selectors": ["unix:uid:1000"], "x509_ttl": 3600, "jwt_ttl": 300, "dns_names": [],
            "common_name": "", "hint": "", "jwt_audiences": ["own.probe.invalid"], "owner": "",
            "expires": 0, "prefetch": false},
  "request": {"audience": [], "scope": [], "task": "", "ttl": 300}
})";

// At night on a Sunday and at noon on a Wednesday: a window in time hides nothing.
constexpr std::array<std::string_view, 2> kTimes = {
    R"({"time": {"unix": 1763867640, "rfc3339": "2025-11-23T03:14:00Z", "weekday": "sunday",
                 "minute": 194},
        "node": {"created": 1763800000, "enrolled": 1763860000, "evidence_time": 1763867639}})",
    R"({"time": {"unix": 1763553600, "rfc3339": "2025-11-19T12:00:00Z", "weekday": "wednesday",
                 "minute": 720},
        "node": {"created": 1763500000, "enrolled": 1763550000, "evidence_time": 1763553599}})",
};

constexpr std::array<std::string_view, 2> kKinds = {
    R"({"request": {"kind": "x509"}})",
    R"({"request": {"kind": "jwt", "audience": ["own.probe.invalid"]}})",
};

// One thing that is wrong, as a merge patch (RFC 7396).
struct Flaw {
  std::string_view who;
  std::string_view patch;
};

constexpr std::array kAdmissionFlaws = std::to_array<Flaw>({
    {"a host that nobody knows", R"({"node": {"known": false, "standing": "", "spiffe_id": ""}})"},
    {"a host that an operator removed", R"({"node": {"standing": "removed"}})"},
    {"a host that an operator denied", R"({"node": {"standing": "barred"}})"},
    {"a host of which there may be a copy", R"({"node": {"standing": "quarantined"}})"},
});

constexpr std::array kStandingFlaws = std::to_array<Flaw>({
    {"a host whose evidence breaks a rule",
     R"({"findings": [{"code": "probe-finding", "subject": "", "expected": "", "seen": "",
                       "accept": ""}]})"},
});

constexpr std::array kIssuanceFlaws = std::to_array<Flaw>({
    {"a process that shows nothing", R"({"facts": {"observed": {"selectors": []}}})"},
    {"a process that the entry is not for",
     R"({"facts": {"observed": {"selectors": ["unix:uid:4294967295"]}}})"},
    {"a host that was refused", R"({"node": {"standing": "refused"}})"},
    {"a host that an operator removed", R"({"node": {"standing": "removed"}})"},
    {"a host of which there may be a copy", R"({"node": {"standing": "quarantined"}})"},
    {"an entry that ended", R"({"entry": {"expires": 1}})"},
    {"a token for an audience that the entry does not allow",
     R"({"request": {"kind": "jwt", "audience": ["other.probe.invalid"]}})"},
});

// For policies that look for what must not be there.
constexpr Flaw kNothingRight = {
    "a host and a process of which nothing is right",
    R"({"node": {"known": false, "standing": "", "group": "probe-wrong", "evidence_age": 1763553600},
        "facts": {"proved": {"assurance": "none", "attestation_key": "new",
                             "firmware_changed": "yes", "clock_safe": "no"},
                  "recorded": {"ledger_register": "absent", "ledger_touched": "yes"},
                  "declared": {"reference_values": "absent"},
                  "observed": {"source": null, "selectors": []}},
        "findings": [{"code": "probe-finding", "subject": "", "expected": "", "seen": "",
                      "accept": ""}],
        "entry": {"expires": 1, "jwt_audiences": []},
        "request": {"kind": "probe-wrong", "audience": ["other.probe.invalid"],
                    "scope": ["probe-wrong"]}})"};

std::vector<Flaw> FlawsOf(PolicyPoint point) {
  const auto flaws = [](const auto& own) {
    std::vector<Flaw> all(own.begin(), own.end());
    all.push_back(kNothingRight);
    return all;
  };
  switch (point) {
    case PolicyPoint::kAdmission: return flaws(kAdmissionFlaws);
    case PolicyPoint::kStanding: return flaws(kStandingFlaws);
    case PolicyPoint::kIssuance: break;
  }
  return flaws(kIssuanceFlaws);
}

std::string_view SoundAt(PolicyPoint point) {
  switch (point) {
    case PolicyPoint::kAdmission: return kSoundAdmission;
    case PolicyPoint::kStanding: return kSoundStanding;
    case PolicyPoint::kIssuance: break;
  }
  return kSoundIssuance;
}

// All variants of what is right.
std::vector<Json> SoundDocuments(PolicyPoint point) {
  std::vector<Json> documents;
  for (const std::string_view time : kTimes) {
    Json document = Json::parse(kSound);
    document["point"] = PolicyPointName(point);
    document.merge_patch(Json::parse(SoundAt(point)));
    document.merge_patch(Json::parse(time));
    if (point != PolicyPoint::kIssuance) {
      documents.push_back(std::move(document));
      continue;
    }
    for (const std::string_view kind : kKinds) {
      documents.push_back(document);
      documents.back().merge_patch(Json::parse(kind));
    }
  }
  return documents;
}

}  // namespace

std::vector<PolicyProbe> ProbesOf(PolicyPoint point) {
  std::vector<PolicyProbe> probes = {{.who = "anybody, whatever they show", .input = "{}"}};
  for (const Json& sound : SoundDocuments(point)) {
    for (const Flaw& flaw : FlawsOf(point)) {
      Json document = sound;
      document.merge_patch(Json::parse(flaw.patch));
      probes.push_back({.who = std::string(flaw.who), .input = document.dump()});
    }
  }
  return probes;
}

std::vector<std::string> SoundInputs(PolicyPoint point) {
  std::vector<std::string> inputs;
  for (const Json& document : SoundDocuments(point)) inputs.push_back(document.dump());
  return inputs;
}

bool GivesAway(PolicyPoint point, const PolicyOutput& output) {
  const bool asks_first = point == PolicyPoint::kAdmission && output.approval;
  return output.allow && !asks_first;
}

}  // namespace lodekey::issuer
