#include "issuer/policy_input.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

namespace lodekey::issuer {
namespace {

// Keys stay in the order in which they are written here: the same facts give the same bytes.
using Json = nlohmann::ordered_json;
using std::chrono::seconds;

constexpr int kSchema = 1;

int64_t WholeSeconds(Time time) {
  return std::chrono::floor<seconds>(time).time_since_epoch().count();
}
int64_t WholeSeconds(Duration duration) { return std::chrono::floor<seconds>(duration).count(); }

// Policies have names with '_': `facts.proved.reset_count`.
std::string Key(std::string_view name) {
  std::string key(name);
  std::ranges::replace(key, '-', '_');
  return key;
}

Json TimeOf(Time now) {
  constexpr std::array kWeekdays = {"sunday",   "monday", "tuesday", "wednesday",
                                    "thursday", "friday", "saturday"};
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const auto minute = std::chrono::floor<std::chrono::minutes>(now - day);
  return {{"unix", WholeSeconds(now)},
          {"rfc3339", FormatTime(std::chrono::floor<seconds>(now))},
          {"weekday", kWeekdays.at(std::chrono::weekday(day).c_encoding())},
          {"minute", minute.count()}};
}

// `known`: an inventory has it, or the policy admitted it.
Json NodeOf(const PolicyScene& scene, const NodeRecord& record, bool known, Time evidence_time) {
  return {{"id", record.id},
          {"spiffe_id", "spiffe://" + scene.trust_domain + "/node/" + record.id},
          {"standing", known ? StandingName(record.standing) : ""},
          {"group", record.Group()},
          {"known", known},
          {"created", WholeSeconds(record.created)},
          {"enrolled", record.enrolment ? WholeSeconds(record.enrolment->enrolled) : 0},
          {"evidence_time", WholeSeconds(evidence_time)},
          // Floored: evidence of the very future is not of now.
          {"evidence_age", WholeSeconds(scene.now - evidence_time)}};
}

// One object for each grade, and in it what has that grade.
Json FactsOf(const PolicyScene& scene, const NodeRecord& record) {
  Json facts = {{"proved", Json::object()},
                {"kernel_measured", Json::object()},
                {"recorded", Json::object()},
                {"observed", Json::object()},
                {"declared", {{"labels", record.labels}}}};
  // A policy that compares addresses must not meet one that is none.
  if (!scene.source.empty()) facts["observed"]["source"] = scene.source;
  return facts;
}

// What is written here is not overwritten: a fact of this name has another grade or another source.
void State(Json& facts, std::string_view grade, std::string_view name, const std::string& value) {
  const auto of_grade = facts.find(Key(grade));
  if (of_grade != facts.end()) of_grade->emplace(Key(name), value);
}

void StateAll(Json& facts, const std::vector<attest::Fact>& shown) {
  for (const attest::Fact& fact : shown)
    State(facts, attest::GradeName(fact.grade), fact.name, fact.value);
}

void StateSelectors(Json& facts, const std::vector<attest::GradedSelector>& selectors) {
  facts["observed"]["selectors"] = Json::array();
  for (const attest::GradedSelector& held : selectors)
    facts[Key(attest::GradeName(held.grade))]["selectors"].push_back(
        attest::FormatSelector(held.selector));
}

Json FindingsOf(const attest::Verdict& verdict) {
  Json findings = Json::array();
  for (const attest::FailedRule& rule : verdict.findings())
    findings.push_back({{"code", rule.code},
                        {"subject", rule.subject},
                        {"expected", rule.expected},
                        {"seen", rule.seen},
                        {"accept", rule.accept}});
  return findings;
}

Json EntryOf(const attest::Entry& entry, const SpiffeId& id) {
  Json selectors = Json::array();
  for (const attest::Selector& selector : entry.selectors)
    selectors.push_back(attest::FormatSelector(selector));
  return {{"id", entry.id},
          {"revision", entry.revision},
          {"spiffe_id", id.ToString()},
          {"selectors", std::move(selectors)},
          {"x509_ttl", WholeSeconds(entry.x509_ttl)},
          {"jwt_ttl", WholeSeconds(entry.jwt_ttl)},
          {"dns_names", entry.dns_names},
          {"common_name", entry.common_name},
          {"hint", entry.hint},
          {"jwt_audiences", entry.jwt_audiences},
          {"owner", entry.owner},
          {"expires", WholeSeconds(entry.expires)},
          {"prefetch", entry.prefetch}};
}

Json RequestOf(const attest::Entry& entry, const WorkloadRequest& request) {
  const auto* audiences = std::get_if<Audiences>(&request.subject);
  const bool jwt = audiences != nullptr;
  return {{"kind", jwt ? "jwt" : "x509"},
          {"audience", jwt ? *audiences : Audiences()},
          {"scope", request.scopes},
          {"task", request.task},
          {"ttl", WholeSeconds(jwt ? entry.jwt_ttl : entry.x509_ttl)}};
}

Json InputOf(std::string_view point, const PolicyScene& scene, Json node, Json facts) {
  return {
      {"schema", kSchema},         {"point", point},          {"trust_domain", scene.trust_domain},
      {"time", TimeOf(scene.now)}, {"node", std::move(node)}, {"facts", std::move(facts)}};
}

// Bytes of strangers that are no UTF-8 become U+FFFD: the document stays one.
std::string Text(const Json& input) {
  return input.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace

std::string AdmissionInput(const PolicyScene& scene, const NodeRecord& record,
                           const AdmissionFacts& admission) {
  Json facts = FactsOf(scene, record);
  State(facts, "proved", "assurance", std::string(attest::AssuranceName(admission.assurance)));
  State(facts, "proved", "assurance_reason", admission.assurance_reason);
  if (!admission.manufacturer.empty())
    State(facts, "proved", "manufacturer", admission.manufacturer);
  if (admission.finished && admission.devid) {
    facts["proved"]["devid"] = {{"subject", admission.devid->subject},
                                {"serial", admission.devid->serial},
                                {"issuer", admission.devid->issuer}};
  }
  const Time evidence = record.enrolment ? record.enrolment->evidence_time : Time();
  const bool known = record.revision != 0;
  Json input =
      InputOf("admission", scene, NodeOf(scene, record, known, evidence), std::move(facts));
  input["request"] = {{"kind", "node"}, {"stage", admission.finished ? "finish" : "start"}};
  return Text(input);
}

std::string StandingInput(const PolicyScene& scene, const NodeRecord& record,
                          std::string_view assurance, const attest::Verdict& verdict,
                          Time evidence_time) {
  Json facts = FactsOf(scene, record);
  State(facts, "proved", "assurance", std::string(assurance));
  StateAll(facts, verdict.facts());
  Json input =
      InputOf("standing", scene, NodeOf(scene, record, true, evidence_time), std::move(facts));
  input["findings"] = FindingsOf(verdict);
  input["request"] = {{"kind", "node"}};
  return Text(input);
}

std::string IssuanceInput(const PolicyScene& scene, const NodeRecord& record,
                          const attest::Entry& entry, const SpiffeId& id,
                          const WorkloadRequest& request) {
  Json facts = FactsOf(scene, record);
  StateSelectors(facts, request.selectors);
  Time evidence;
  if (record.enrolment) {
    State(facts, "proved", "assurance", record.enrolment->assurance);
    StateAll(facts, record.enrolment->facts);
    evidence = record.enrolment->evidence_time;
  }
  Json input = InputOf("issuance", scene, NodeOf(scene, record, true, evidence), std::move(facts));
  input["entry"] = EntryOf(entry, id);
  input["request"] = RequestOf(entry, request);
  return Text(input);
}

}  // namespace lodekey::issuer
