#include "cli/entry_flags.h"

#include <algorithm>
#include <array>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/duration.h"
#include "cli/labels.h"
#include "cli/node_view.h"
#include "platform/escape.h"

namespace lodekey::cli {
namespace {

using attest::Entry;

struct Clearable {
  std::string_view option;
  void (*clear)(Entry&);
};

constexpr std::array kClearable = {
    Clearable{"node", [](Entry& entry) { entry.scope.nodes.clear(); }},
    Clearable{"node-label", [](Entry& entry) { entry.scope.labels.clear(); }},
    Clearable{"dns", [](Entry& entry) { entry.dns_names.clear(); }},
    Clearable{"common-name", [](Entry& entry) { entry.common_name.clear(); }},
    Clearable{"hint", [](Entry& entry) { entry.hint.clear(); }},
    Clearable{"jwt-audience", [](Entry& entry) { entry.jwt_audiences.clear(); }},
    Clearable{"owner", [](Entry& entry) { entry.owner.clear(); }},
    Clearable{"expires", [](Entry& entry) { entry.expires = Time(); }},
    Clearable{"prefetch", [](Entry& entry) { entry.prefetch = false; }},
};

std::vector<std::string> ClearableNames() {
  std::vector<std::string> names;
  names.reserve(kClearable.size());
  for (const Clearable& field : kClearable) names.emplace_back(field.option);
  return names;
}

void Clear(const std::vector<std::string>& names, Entry& entry) {
  for (const Clearable& field : kClearable) {
    if (std::ranges::find(names, field.option) != names.end()) field.clear(entry);
  }
}

Result<void> SetTtl(std::string_view option, const std::optional<std::string>& text,
                    Duration& ttl) {
  if (!text) return {};
  const auto read = ReadDuration(*text, option);
  if (!read) return std::unexpected(read.error());
  ttl = *read;
  return {};
}

Result<void> SetExpires(const std::optional<std::string>& text, Time now, Time& expires) {
  if (!text) return {};
  if (const auto time = ParseTime(*text)) {
    expires = *time;
  } else if (const auto span = ParseDuration(*text)) {
    expires = now + *span;
  } else {
    return FailUsage(fmt::format("--expires: '{}' is neither a time nor a duration",
                                 platform::EscapeControl(*text)),
                     "Give for example: --expires 2026-01-31T09:30:00Z, or from now on: "
                     "--expires 30d");
  }
  return {};
}

Result<void> SetSelectors(const std::vector<std::string>& texts,
                          std::vector<attest::Selector>& selectors) {
  if (texts.empty()) return {};
  selectors.clear();
  for (const std::string& text : texts) {
    auto selector = attest::ParseSelector(text);
    if (!selector) {
      return FailUsage(
          fmt::format("--selector {}: {}", platform::EscapeControl(text), selector.error().text),
          selector.error().advice);
    }
    selectors.push_back(*std::move(selector));
  }
  return {};
}

Result<void> SetNodes(Session& session, const std::vector<std::string>& names,
                      std::vector<std::string>& nodes) {
  if (names.empty()) return {};
  nodes.clear();
  for (const std::string& name : names) {
    const auto node = session.admin().ShowNode(name);
    if (!node) return std::unexpected(node.error());
    if (std::ranges::find(nodes, node->id()) == nodes.end()) nodes.push_back(node->id());
  }
  return {};
}

void SetText(const std::optional<std::string>& given, std::string& text) {
  if (given) text = *given;
}

void SetTexts(const std::vector<std::string>& given, std::vector<std::string>& texts) {
  if (!given.empty()) texts = given;
}

}  // namespace

CLI::Option* AddEntryFlags(CLI::App& command, EntryFlags& flags) {
  const auto repeatable = [&](const std::string& name, std::vector<std::string>& values,
                              const std::string& what, const std::string& form) {
    return command.add_option(name, values, what + "; may be given again")
        ->type_name(form)
        ->allow_extra_args(false);
  };
  const auto single = [&](const std::string& name, std::optional<std::string>& value,
                          const std::string& what, const std::string& form) {
    return command.add_option(name, value, what)->type_name(form);
  };
  CLI::Option* spiffe_id =
      single("--spiffe-id", flags.spiffe_id,
             "the identity; {{NAME}} in its path stands for the node's label NAME", "ID");
  repeatable("--selector", flags.selectors, "what the process must be, such as unix:uid:1000",
             "TYPE:NAME:VALUE");
  repeatable("--node", flags.nodes, "a node on which it may be used: its id, or a prefix of it",
             "NODE")
      ->check(CheckNodeName);
  repeatable("--node-label", flags.node_labels, "or nodes that have all of these labels",
             "NAME=VALUE");
  single("--x509-svid-ttl", flags.x509_svid_ttl, "how long an X.509-SVID lives (default 1h)",
         "DURATION");
  single("--jwt-svid-ttl", flags.jwt_svid_ttl, "how long a JWT-SVID lives (default 5m)",
         "DURATION");
  repeatable("--dns", flags.dns_names, "a DNS name for the X.509-SVID", "NAME");
  single("--common-name", flags.common_name, "a common name, for verifiers that ask for one",
         "NAME");
  single("--hint", flags.hint, "tells identities of one process apart", "TEXT");
  repeatable("--jwt-audience", flags.jwt_audiences,
             "an audience that JWT-SVIDs may have, * for any (default: no JWT-SVID)", "AUDIENCE");
  single("--owner", flags.owner, "who answers for it", "TEXT");
  single("--expires", flags.expires, "when the entry ends: a time, or a duration from now",
         "TIME|DURATION");
  command.add_flag("--prefetch", flags.prefetch, "fetch the X.509-SVID before anybody asks");
  return spiffe_id;
}

void AddClearFlag(CLI::App& command, EntryFlags& flags) {
  command
      .add_option("--clear", flags.clear, "what the entry is to have no longer; may be given again")
      ->type_name("OPTION")
      ->allow_extra_args(false)
      ->check(CLI::IsMember(ClearableNames()));
}

Result<void> SetFields(Session& session, const EntryFlags& flags, Entry& entry) {
  Clear(flags.clear, entry);
  SetText(flags.spiffe_id, entry.spiffe_id);
  if (auto set = SetSelectors(flags.selectors, entry.selectors); !set) return set;
  if (!flags.node_labels.empty()) {
    auto labels = ReadLabels("--node-label", flags.node_labels);
    if (!labels) return std::unexpected(labels.error());
    entry.scope.labels = *std::move(labels);
  }
  if (auto set = SetTtl("--x509-svid-ttl", flags.x509_svid_ttl, entry.x509_ttl); !set) return set;
  if (auto set = SetTtl("--jwt-svid-ttl", flags.jwt_svid_ttl, entry.jwt_ttl); !set) return set;
  if (auto set = SetExpires(flags.expires, session.Now(), entry.expires); !set) return set;
  SetTexts(flags.dns_names, entry.dns_names);
  SetText(flags.common_name, entry.common_name);
  SetText(flags.hint, entry.hint);
  SetTexts(flags.jwt_audiences, entry.jwt_audiences);
  SetText(flags.owner, entry.owner);
  entry.prefetch |= flags.prefetch;
  // Last, when all else is well: it asks the issuer.
  return SetNodes(session, flags.nodes, entry.scope.nodes);
}

}  // namespace lodekey::cli
