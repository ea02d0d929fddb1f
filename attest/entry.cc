#include "attest/entry.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/writer.h"

namespace lodekey::attest {
namespace {

constexpr size_t kMaxNodes = 1024;
constexpr size_t kMaxLabels = 32;
constexpr size_t kMaxSelectors = 32;
constexpr size_t kMaxDnsNames = 32;
constexpr size_t kMaxAudiences = 32;
constexpr size_t kMaxText = 255;
constexpr size_t kMaxCommonName = 64;  // RFC 5280, appendix A
constexpr size_t kMaxDnsName = 253;    // RFC 1035, 2.3.4
constexpr size_t kMaxDnsLabel = 63;
constexpr size_t kNodeIdSize = 64;
constexpr Duration kLeastTtl = std::chrono::seconds(10);
constexpr Duration kMostX509Ttl = std::chrono::hours(24);
constexpr std::string_view kAnyAudience = "*";
constexpr std::string_view kOpen = "{{";
constexpr std::string_view kClose = "}}";

std::unexpected<Error> Invalid(std::string text, std::string name = "entry-invalid",
                               std::string advice = "") {
  return Fail(Code::kInvalidArgument, std::move(text),
              {.name = std::move(name), .advice = std::move(advice)});
}

bool IsPlain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

bool IsLabelName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == '/';
  });
}

bool IsDnsLabel(std::string_view label) {
  const bool allowed = std::ranges::all_of(
      label, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  return allowed && !label.empty() && label.size() <= kMaxDnsLabel && label.front() != '-' &&
         label.back() != '-';
}

bool IsDnsName(std::string_view name) {
  if (name.size() > kMaxDnsName) return false;
  for (size_t start = 0; start <= name.size();) {
    const size_t end = std::min(name.find('.', start), name.size());
    if (!IsDnsLabel(name.substr(start, end - start))) return false;
    start = end + 1;
  }
  return true;
}

// lodekey's own identities; no entry can name them (docs/protocol.md, Names).
Result<SpiffeId> CheckIdentity(SpiffeId id, std::string_view trust_domain) {
  const auto under = [&](std::string_view prefix) {
    return id.path == prefix || id.path.starts_with(std::string(prefix) + "/");
  };
  if (!trust_domain.empty() && id.trust_domain != trust_domain) {
    return Invalid(
        fmt::format("{} is of another trust domain than {}", id.ToString(), trust_domain),
        "entry-spiffe-id");
  }
  if (id.path.empty())
    return Invalid("an identity of the whole trust domain", "entry-spiffe-id",
                   "Give it a path: spiffe://…/service.");
  if (under("/lodekey") || under("/node"))
    return Invalid(fmt::format("{} is reserved", id.ToString()), "entry-spiffe-id",
                   "Choose a path that begins neither with /lodekey nor with /node.");
  return id;
}

// Calls `replace` for each "{{NAME}}" of `text` and puts its answer there.
template <class Replace>
Result<std::string> Expand(std::string_view text, Replace replace) {
  std::string expanded;
  for (;;) {
    const size_t open = text.find(kOpen);
    expanded += text.substr(0, open);
    if (open == text.npos) return expanded;
    const size_t close = text.find(kClose, open);
    if (close == text.npos) return Invalid("a {{ without its }}", "entry-spiffe-id");
    const std::string_view name = text.substr(open + kOpen.size(), close - open - kOpen.size());
    ASSIGN_OR_RETURN(const std::string value, replace(name), "SPIFFE ID");
    expanded += value;
    text.remove_prefix(close + kClose.size());
  }
}

Result<void> CheckSpiffeId(const Entry& entry, std::string_view trust_domain) {
  // Any label will do to see the form. A first segment from a label could be a reserved one: that
  // is looked at again where the labels are known.
  ASSIGN_OR_RETURN(const std::string sample,
                   Expand(entry.spiffe_id,
                          [](std::string_view name) -> Result<std::string> {
                            if (IsLabelName(name)) return std::string("x");
                            return Invalid("a {{…}} that names no label", "entry-spiffe-id");
                          }),
                   "entry");
  auto id = ParseSpiffeId(sample);
  if (!id) return Invalid(std::move(id.error().text), "entry-spiffe-id");
  auto checked = CheckIdentity(*std::move(id), trust_domain);
  if (!checked) return std::unexpected(std::move(checked.error()));
  return {};
}

Result<void> CheckScope(const NodeScope& scope) {
  if (scope.nodes.empty() && scope.labels.empty()) {
    return Invalid("an entry without node scope would be given out on every host", "entry-scope",
                   "Name nodes (--node) or labels that they have (--node-label).");
  }
  const bool fits = scope.nodes.size() <= kMaxNodes && scope.labels.size() <= kMaxLabels;
  const bool ids = std::ranges::all_of(scope.nodes, [](const std::string& node) {
    return node.size() == kNodeIdSize && node.find_first_not_of("0123456789abcdef") == node.npos;
  });
  const bool labels = std::ranges::all_of(scope.labels, [](const auto& label) {
    return IsLabelName(label.first) && !label.second.empty() && IsPlain(label.second) &&
           label.first.size() <= kMaxText && label.second.size() <= kMaxText;
  });
  if (fits && ids && labels) return {};
  return Invalid("a node scope has node ids of 64 hexadecimal digits and labels NAME=VALUE",
                 "entry-scope");
}

Result<void> CheckSelectors(const std::vector<Selector>& selectors) {
  if (selectors.empty() || selectors.size() > kMaxSelectors)
    return Invalid(fmt::format("an entry has 1 to {} selectors", kMaxSelectors), "entry-selectors");
  for (size_t i = 0; i < selectors.size(); ++i) {
    RETURN_IF_ERROR(ParseSelector(FormatSelector(selectors[i])), "entry");
    if (std::ranges::count(selectors, selectors[i]) != 1)
      return Invalid(fmt::format("{} stands twice", FormatSelector(selectors[i])),
                     "entry-selectors");
  }
  if (std::ranges::any_of(selectors, Separates)) return {};
  return Invalid("selectors of the executable alone: any user of the host may run it",
                 "entry-selectors", "Add a user or group, for example unix:uid:1000.");
}

Result<void> CheckForm(const Entry& entry) {
  const auto text = [](std::string_view value, size_t limit) {
    return value.size() <= limit && IsPlain(value);
  };
  if (!text(entry.common_name, kMaxCommonName) || !text(entry.hint, kMaxText) ||
      !text(entry.owner, kMaxText))
    return Invalid("common name, hint or owner is too long, or not printable ASCII");
  if (entry.dns_names.size() > kMaxDnsNames || !std::ranges::all_of(entry.dns_names, IsDnsName))
    return Invalid("a DNS name is none (lower-case, without wildcards), or there are too many");
  if (entry.jwt_audiences.size() > kMaxAudiences ||
      !std::ranges::all_of(entry.jwt_audiences, [&](const std::string& audience) {
        return !audience.empty() && text(audience, kMaxText);
      }))
    return Invalid("an audience is empty, too long or not printable ASCII, or there are too many");
  if (entry.x509_ttl < kLeastTtl || entry.x509_ttl > kMostX509Ttl || entry.jwt_ttl < kLeastTtl ||
      entry.jwt_ttl > kMaxJwtTtl)
    return Invalid(fmt::format("lifetimes are {} to {} (X.509) and to {} (JWT)",
                               FormatDuration(kLeastTtl), FormatDuration(kMostX509Ttl),
                               FormatDuration(kMaxJwtTtl)));
  return {};
}

void WriteList(Writer& writer, const std::set<std::string>& texts) {
  writer.U32Be(static_cast<uint32_t>(texts.size()));
  for (const std::string& text : texts) writer.Sized32(text);
}

}  // namespace

crypto::Sha256Digest EntryLikeness(const Entry& entry) {
  std::set<std::string> selectors;
  for (const Selector& selector : entry.selectors) selectors.insert(FormatSelector(selector));
  Writer writer;
  writer.Raw("lodekey/entry/v1").Sized32(entry.spiffe_id);
  WriteList(writer, {entry.scope.nodes.begin(), entry.scope.nodes.end()});
  writer.U32Be(static_cast<uint32_t>(entry.scope.labels.size()));
  for (const auto& [name, value] : entry.scope.labels) writer.Sized32(name).Sized32(value);
  WriteList(writer, selectors);
  return crypto::Sha256(writer.view());
}

Result<void> CheckEntry(const Entry& entry, std::string_view trust_domain) {
  if (auto scope = CheckScope(entry.scope); !scope) return scope;
  return CheckPushedEntry(entry, trust_domain);
}

Result<void> CheckPushedEntry(const Entry& entry, std::string_view trust_domain) {
  if (auto id = CheckSpiffeId(entry, trust_domain); !id) return id;
  if (auto selectors = CheckSelectors(entry.selectors); !selectors) return selectors;
  return CheckForm(entry);
}

bool InScope(const NodeScope& scope, std::string_view node_id, const Labels& labels) {
  if (std::ranges::find(scope.nodes, node_id) != scope.nodes.end()) return true;
  return !scope.labels.empty() && std::ranges::all_of(scope.labels, [&](const auto& label) {
    const auto found = labels.find(label.first);
    return found != labels.end() && found->second == label.second;
  });
}

Result<SpiffeId> ExpandSpiffeId(const Entry& entry, const Labels& labels) {
  ASSIGN_OR_RETURN(
      const std::string text,
      Expand(entry.spiffe_id,
             [&](std::string_view name) -> Result<std::string> {
               const auto found = labels.find(std::string(name));
               if (found != labels.end()) {
                 // One segment, or a label could move the identity to another place of the tree.
                 if (found->second.find('/') == std::string::npos) return found->second;
                 return Invalid(fmt::format("the label '{}' is no path segment", name),
                                "entry-spiffe-id");
               }
               return Fail(Code::kNotFound, fmt::format("the node has no label '{}'", name),
                           {.name = "label-missing",
                            .advice = fmt::format("On the issuer: lodekey node allow NODE --label "
                                                  "{}=VALUE",
                                                  name)});
             }),
      "entry");
  auto id = ParseSpiffeId(text);
  if (!id) return Invalid(std::move(id.error().text), "entry-spiffe-id");
  return CheckIdentity(*std::move(id), "");
}

bool AllowsAudience(const Entry& entry, std::string_view audience) {
  return std::ranges::any_of(entry.jwt_audiences, [&](const std::string& allowed) {
    return allowed == kAnyAudience || allowed == audience;
  });
}

bool HasExpired(const Entry& entry, Time now) {
  return entry.expires != Time() && now >= entry.expires;
}

std::vector<Selector> MissingSelectors(const Entry& entry,
                                       const std::vector<GradedSelector>& held) {
  std::vector<Selector> missing;
  for (const Selector& selector : entry.selectors) {
    if (std::ranges::find(held, selector, &GradedSelector::selector) == held.end())
      missing.push_back(selector);
  }
  return missing;
}

}  // namespace lodekey::attest
