#include "cli/node_view.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <google/protobuf/map.h>

#include "base/bytes.h"
#include "cli/labels.h"
#include "cli/text.h"
#include "platform/escape.h"

namespace lodekey::cli {
namespace {

using lodekey::admin::v1::Node;
using lodekey::admin::v1::PcrValue;
using lodekey::verdict::v1::Verdict;
using PcrValues = google::protobuf::RepeatedPtrField<PcrValue>;

constexpr size_t kShortId = 16;
constexpr size_t kShortestPrefix = 8;
constexpr size_t kIdDigits = 64;

bool IsHex(const std::string& text) {
  return std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

std::string Hex(const std::string& bytes) { return ToHex(AsBytes(bytes)); }

// In the order of their names: a protobuf map has none.
Labels LabelsOf(const Node& node) { return {node.labels().begin(), node.labels().end()}; }

Labels ShownBy(const Node& node) { return {node.shown().begin(), node.shown().end()}; }

std::string LabelsText(const Node& node) { return FormatLabels(LabelsOf(node)); }

// Whether the node's group accepts this value; empty where it has no values for the register.
std::string Approval(const PcrValue& value, const PcrValues& references) {
  bool known = false;
  for (const PcrValue& reference : references) {
    if (reference.bank() != value.bank() || reference.pcr() != value.pcr()) continue;
    if (reference.value() == value.value()) return "approved";
    known = true;
  }
  return known ? "not approved" : "";
}

std::string PcrTable(const Node& node) {
  std::vector<Row> rows;
  for (const PcrValue& value : node.pcrs()) {
    rows.push_back({std::to_string(value.pcr()), value.bank(), Hex(value.value()),
                    Approval(value, node.references())});
  }
  return rows.empty() ? "" : "\n" + FormatTable({"PCR", "BANK", "VALUE", "REFERENCE"}, rows);
}

bool HasEnrolled(const Node& node) { return node.evidence_unix_ms() != 0; }

// As text in JSON, too: it needs more bits than a number keeps everywhere (RFC 8259, section 6).
std::string FirmwareText(const Node& node) {
  return HasEnrolled(node) ? fmt::format("{:#x}", node.firmware_version()) : "";
}

// Of a node whose evidence was accepted last; its certificate may have ended since, and the issuer
// may have refused something that does not change the standing.
std::string ActiveSentence(const Node& node, Time now) {
  const std::string id = ShortNodeId(node.id());
  const std::string until = FormatUnixMs(node.not_after_unix_ms());
  if (Time(Duration(node.not_after_unix_ms())) <= now) {
    return fmt::format("Node {} has no identity: {}.\n", id,
                       until.empty() ? "it was given none yet" : "its last one ended at " + until);
  }
  const auto outcome = node.last_verdict().outcome();
  if (!node.last_verdict().failed().empty() && outcome != Verdict::ACCEPTED) {
    return fmt::format(
        "Node {} has an identity until {}, but what it showed last was not accepted.\n", id, until);
  }
  return fmt::format("Node {} has an identity until {}.\n", id, until);
}

}  // namespace

std::string ShortNodeId(const std::string& id) {
  return platform::EscapeControl(id.substr(0, kShortId));
}

std::string CheckNodeName(const std::string& text) {
  if (!IsHex(text) || text.size() >= kShortestPrefix) return {};
  return fmt::format("'{}' is too short: a prefix of a node's id has {} digits or more", text,
                     kShortestPrefix);
}

std::string CheckWholeNodeName(const std::string& text) {
  if (!IsHex(text) || text.size() == kIdDigits) return {};
  return fmt::format(
      "'{}' is not a whole id: give all {} digits, as 'lodekey node pending' prints them; a "
      "stranger may have an id that begins like another's",
      text, kIdDigits);
}

std::string StandingSentence(const Node& node, Time now) {
  const std::string id = ShortNodeId(node.id());
  const std::string& standing = node.standing();
  if (standing == "allowed") return fmt::format("Node {} may enrol, and has not yet.\n", id);
  if (standing == "active") return ActiveSentence(node, now);
  if (standing == "refused") {
    return fmt::format("Node {} was refused: it has no identity until it attests well again.\n",
                       id);
  }
  if (standing == "quarantined") {
    return fmt::format(
        "Node {} is quarantined: there may be a copy of it.\n"
        "  What to do: find out which machine is the right one; then: lodekey node remove {}, "
        "reboot it, lodekey node allow {}\n",
        id, id, platform::EscapeControl(node.id()));
  }
  if (standing == "pending") {
    return fmt::format(
        "Node {} proved its TPM and waits for approval.\n"
        "  What to do, if it is yours: lodekey node approve {}; if not: lodekey node deny {}\n",
        id, platform::EscapeControl(node.id()), platform::EscapeControl(node.id()));
  }
  if (standing == "barred") {
    return fmt::format(
        "Node {} was denied.\n  What to do, if it may come in after all: lodekey node allow {}\n",
        id, platform::EscapeControl(node.id()));
  }
  if (standing == "removed") {
    return fmt::format(
        "Node {} was removed.\n  What to do, if it is to come back: lodekey node allow {}\n", id,
        platform::EscapeControl(node.id()));
  }
  return fmt::format("Node {} is {}.\n", id, platform::EscapeControl(standing));
}

std::string NodeListText(const std::vector<Node>& nodes) {
  if (nodes.empty()) return "No node.\n";
  std::vector<Row> rows;
  rows.reserve(nodes.size());
  for (const Node& node : nodes) {
    rows.push_back({ShortNodeId(node.id()), node.standing(), node.assurance(),
                    FormatUnixMs(node.last_seen_unix_ms()), FormatUnixMs(node.not_after_unix_ms()),
                    LabelsText(node)});
  }
  return FormatTable({"NODE", "STANDING", "ASSURANCE", "LAST SEEN", "EXPIRES", "LABELS"}, rows);
}

std::string PendingListText(const std::vector<Node>& nodes) {
  if (nodes.empty()) return "No host waits for approval.\n";
  std::vector<Row> rows;
  rows.reserve(nodes.size());
  for (const Node& node : nodes) {
    const Labels shown = ShownBy(node);
    const auto what = [&](const char* name) {
      const auto found = shown.find(name);
      return found == shown.end() ? std::string() : found->second;
    };
    rows.push_back({node.id(), what("assurance"), what("manufacturer"), what("source"),
                    what("devid"), FormatUnixMs(node.created_unix_ms()),
                    FormatUnixMs(node.last_seen_unix_ms())});
  }
  return FormatTable(
      {"NODE", "ASSURANCE", "MANUFACTURER", "SOURCE", "DEVID", "FIRST SEEN", "LAST SEEN"}, rows);
}

std::string SettledText(const lodekey::admin::v1::AdmitNodesResponse& response, bool denied,
                        bool dry_run) {
  std::string text;
  for (const std::string& id : response.changed()) {
    text += fmt::format("Node {} {}{}.\n", ShortNodeId(id), dry_run ? "would be " : "is ",
                        denied ? "denied" : "approved");
  }
  for (const std::string& id : response.skipped()) {
    text += fmt::format("Node {} looks otherwise by now, or waits no longer: it is not {}.\n",
                        platform::EscapeControl(id), denied ? "denied" : "approved");
  }
  const int already = response.nodes_size() - response.changed_size();
  return text + fmt::format("{}{} {}, {} unchanged.\n",
                            dry_run ? "Dry run, nothing is changed: " : "", response.changed_size(),
                            denied ? "denied" : "approved", already);
}

ExplainContext NodeContext(const Node& node) {
  const bool accepted = node.last_verdict().outcome() == Verdict::ACCEPTED;
  return {.who = "node " + ShortNodeId(node.id()),
          .superseded = accepted && node.standing() != "active"};
}

std::string NodeText(const Node& node, Time now) {
  std::string hashes;
  for (const std::string& hash : node.ek_hashes()) hashes += (hashes.empty() ? "" : ", ") + hash;
  const bool enrolled = HasEnrolled(node);
  std::string text = StandingSentence(node, now) + "\n";
  text += FormatFields({
      {"id", node.id()},
      {"identity", node.spiffe_id()},
      {"standing", node.standing()},
      {"labels", LabelsText(node)},
      {"showed", FormatLabels(ShownBy(node))},
      {"DevID", node.devid()},
      {"group", node.group()},
      {"endorsement keys", hashes},
      {"assurance", node.assurance()},
      {"created", FormatUnixMs(node.created_unix_ms())},
      {"last seen", FormatUnixMs(node.last_seen_unix_ms())},
      {"evidence of", FormatUnixMs(node.evidence_unix_ms())},
      {"expires", FormatUnixMs(node.not_after_unix_ms())},
      {"serial", Hex(node.serial())},
      {"attestation key", Hex(node.ak_name())},
      {"waits for approval", Hex(node.pending_ak_name())},
      {"approved key", Hex(node.approved_ak_name())},
      {"TPM firmware", FirmwareText(node)},
      {"TPM resets", enrolled ? std::to_string(node.reset_count()) : ""},
      {"TPM restarts", enrolled ? std::to_string(node.restart_count()) : ""},
      {"boot log", Hex(node.boot_log_digest())},
      {"IMA list", enrolled ? fmt::format("{} bytes", node.ima_bytes()) : ""},
  });
  text += PcrTable(node);
  text += "\n" + ExplainVerdict(node.last_verdict(), NodeContext(node));
  if (!node.pending_ak_name().empty()) {
    text += fmt::format(
        "\nAnother attestation key waits for approval.\n  If the host was reinstalled or lost its "
        "state: lodekey node approve-ak {} --ak {}\n",
        ShortNodeId(node.id()), Hex(node.pending_ak_name()));
  }
  return text;
}

Json PcrValuesJson(const PcrValues& values) {
  Json json = Json::array();
  for (const PcrValue& value : values) {
    json.push_back({{"bank", value.bank()}, {"pcr", value.pcr()}, {"value", Hex(value.value())}});
  }
  return json;
}

Json NodesJson(const std::vector<Node>& nodes) {
  Json json = Json::array();
  for (const Node& node : nodes) json.push_back(NodeJson(node));
  return json;
}

Json NodeJson(const Node& node) {
  Json labels = Json::object();
  for (const auto& [name, value] : LabelsOf(node)) labels[name] = value;
  Json hashes = Json::array();
  for (const std::string& hash : node.ek_hashes()) hashes.push_back(hash);
  const bool enrolled = HasEnrolled(node);
  return {{"id", node.id()},
          {"spiffe_id", node.spiffe_id()},
          {"standing", node.standing()},
          {"labels", labels},
          {"shown", Json(ShownBy(node))},
          {"devid", JsonText(node.devid())},
          {"group", node.group()},
          {"ek_hashes", hashes},
          {"assurance", JsonText(node.assurance())},
          {"created", JsonTime(node.created_unix_ms())},
          {"last_seen", JsonTime(node.last_seen_unix_ms())},
          {"evidence_time", JsonTime(node.evidence_unix_ms())},
          {"not_after", JsonTime(node.not_after_unix_ms())},
          {"serial", JsonHex(node.serial())},
          {"ak_name", JsonHex(node.ak_name())},
          {"pending_ak_name", JsonHex(node.pending_ak_name())},
          {"approved_ak_name", JsonHex(node.approved_ak_name())},
          {"firmware_version", JsonText(FirmwareText(node))},
          {"reset_count", enrolled ? Json(node.reset_count()) : Json()},
          {"restart_count", enrolled ? Json(node.restart_count()) : Json()},
          {"boot_log_digest", JsonHex(node.boot_log_digest())},
          {"ima_bytes", enrolled ? Json(node.ima_bytes()) : Json()},
          {"pcrs", PcrValuesJson(node.pcrs())},
          {"references", PcrValuesJson(node.references())},
          {"last_verdict", VerdictJson(node.last_verdict())}};
}

}  // namespace lodekey::cli
