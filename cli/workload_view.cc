#include "cli/workload_view.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "cli/refusal_view.h"
#include "cli/text.h"
#include "platform/escape.h"

namespace lodekey::cli {
namespace {

namespace api = lodekey::agent::v1;
using platform::EscapeControl;

constexpr int kMostNear = 10;

bool Matches(const api::EntryMatch& match) { return match.missing().empty(); }

// Nearly: it has something of what the entry asks for.
bool IsNear(const api::EntryMatch& match) {
  return !Matches(match) && match.missing_size() < match.entry().selectors_size();
}

std::optional<std::string> ValueOf(const api::Workload& workload, std::string_view name) {
  for (const auto& graded : workload.selectors()) {
    if (graded.selector().starts_with(name)) return graded.selector().substr(name.size());
  }
  return std::nullopt;
}

std::string JoinEscaped(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts)
    joined += (joined.empty() ? "" : ", ") + EscapeControl(text);
  return joined;
}

std::string ProblemSentence(const api::Problem& problem) {
  const std::string advice =
      problem.advice().empty() ? "" : " " + EscapedSentence(problem.advice());
  return fmt::format("{} [{}]{}", EscapedSentence(problem.text()), EscapeControl(problem.code()),
                     advice);
}

// Whether an entry matches, and the host gives identities out.
bool HasIdentity(const api::Workload& workload) {
  return !workload.has_problem() && std::ranges::any_of(workload.entries(), Matches);
}

std::string StateOf(const api::EntryMatch& match) {
  if (match.not_after_unix_ms() != 0)
    return fmt::format("held, valid until {}", FormatUnixMs(match.not_after_unix_ms()));
  if (match.has_problem()) return "not issued: " + ProblemSentence(match.problem());
  return "issued when it is asked for";
}

std::string IdentitiesText(const api::Workload& workload) {
  const auto count = std::ranges::count_if(workload.entries(), Matches);
  std::string text = fmt::format("Process {} gets {} identit{}:\n", workload.pid(), count,
                                 count == 1 ? "y" : "ies");
  for (const auto& match : workload.entries()) {
    if (!Matches(match)) continue;
    text += fmt::format("  {}\n    by entry {}; {}\n", EscapeControl(match.entry().spiffe_id()),
                        EscapeControl(match.entry().id()), StateOf(match));
    for (const auto& refused : match.refused()) text += RefusedText(refused, "    ");
  }
  return text;
}

std::string NearText(const api::Workload& workload) {
  std::string text;
  int shown = 0;
  for (const auto& match : workload.entries()) {
    if (!IsNear(match) || ++shown > kMostNear) continue;
    text += fmt::format("  {} (entry {}): it lacks {}\n", EscapeControl(match.entry().spiffe_id()),
                        EscapeControl(match.entry().id()), JoinEscaped(match.missing()));
  }
  if (text.empty()) return text;
  text.insert(0, "It nearly matches:\n");
  if (shown > kMostNear) text += fmt::format("  and {} more\n", shown - kMostNear);
  return text;
}

std::string UnusableText(const api::Workload& workload) {
  std::string text;
  for (const auto& unusable : workload.unusable()) {
    text += fmt::format("Entry {} cannot be used on this host: {} [{}]\n",
                        EscapeControl(unusable.entry_id()), EscapedSentence(unusable.text()),
                        EscapeControl(unusable.code()));
  }
  return text;
}

std::string RemarksText(const api::Workload& workload) {
  std::string text;
  for (const std::string& remark : workload.remarks()) text += EscapedSentence(remark) + "\n";
  return text;
}

// "/usr/bin/nginx" and "www-data" become "www-data/nginx", with nothing that a path segment of a
// SPIFFE ID cannot hold (SPIFFE-ID, 2.2).
std::string SegmentOf(std::string_view text) {
  std::string segment;
  for (const char c : text.substr(text.rfind('/') + 1)) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    segment.push_back(allowed ? c : '-');
  }
  return segment.find_first_not_of('.') == segment.npos ? "workload" : segment;
}

std::string Quoted(const std::string& argument) {
  static constexpr std::string_view kPlain = "/._-:=@+,%";
  const bool plain = std::ranges::all_of(argument, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kPlain.find(c) != kPlain.npos;
  });
  if (plain) return argument;
  std::string quoted = "'";
  for (const char c : argument) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

std::string WorkloadText(const api::Workload& workload) {
  std::vector<Row> rows;
  for (const auto& graded : workload.selectors())
    rows.push_back({graded.selector(), graded.grade()});
  std::string text = FormatTable({"SELECTOR", "GRADE"}, rows);
  text += RemarksText(workload);
  std::vector<Row> entries;
  for (const auto& match : workload.entries()) {
    if (Matches(match)) entries.push_back({match.entry().id(), match.entry().spiffe_id()});
  }
  if (!entries.empty()) text += "\n" + FormatTable({"ENTRY", "SPIFFE ID"}, entries);
  return text;
}

Json WorkloadJson(const api::Workload& workload) {
  Json json = {{"pid", workload.pid()},
               {"selectors", Json::array()},
               {"remarks", workload.remarks()},
               {"entries_known", workload.entries_known()},
               {"problem", nullptr},
               {"entries", Json::array()},
               {"unusable", Json::array()}};
  const auto problem_json = [](const api::Problem& problem) -> Json {
    return {
        {"code", problem.code()}, {"text", problem.text()}, {"advice", JsonText(problem.advice())}};
  };
  for (const auto& graded : workload.selectors())
    json["selectors"].push_back({{"selector", graded.selector()}, {"grade", graded.grade()}});
  if (workload.has_problem()) json["problem"] = problem_json(workload.problem());
  for (const auto& match : workload.entries()) {
    Json refusals = Json::array();
    for (const auto& refused : match.refused()) refusals.push_back(RefusedJson(refused));
    json["entries"].push_back(
        {{"id", match.entry().id()},
         {"spiffe_id", match.entry().spiffe_id()},
         {"matches", Matches(match)},
         {"missing", match.missing()},
         {"not_after", JsonTime(match.not_after_unix_ms())},
         {"problem", match.has_problem() ? problem_json(match.problem()) : Json()},
         {"refused", std::move(refusals)}});
  }
  for (const auto& unusable : workload.unusable()) {
    json["unusable"].push_back({{"id", unusable.entry_id()},
                                {"code", unusable.code()},
                                {"text", unusable.text()},
                                {"advice", JsonText(unusable.advice())}});
  }
  return json;
}

std::string ExplainWorkload(const api::Workload& workload) {
  std::string text;
  if (workload.has_problem()) {
    text = "This host gives no identity out: " + ProblemSentence(workload.problem()) + "\n";
  } else if (HasIdentity(workload)) {
    text = IdentitiesText(workload);
  } else if (workload.entries().empty()) {
    text = fmt::format(
        "Process {} gets no identity: the issuer has no entry for this host. On this host: lodekey "
        "entry suggest --pid {} says how to make one.\n",
        workload.pid(), workload.pid());
  } else {
    text = fmt::format(
        "Process {} gets no identity: none of the {} entries of this host matches it.\n",
        workload.pid(), workload.entries_size());
  }
  return text + NearText(workload) + UnusableText(workload) + RemarksText(workload);
}

Result<Suggestion> SuggestEntry(const api::Workload& workload, const std::string& node,
                                const std::string& trust_domain) {
  const auto uid = ValueOf(workload, "unix:uid:");
  if (!uid) {
    return Fail(Code::kNotFound,
                fmt::format("nothing tells process {} from those of other users", workload.pid()),
                {.name = "selectors-missing",
                 .advice = fmt::format("See: lodekey workload inspect --pid {}", workload.pid())});
  }
  const auto path = ValueOf(workload, "unix:path:");
  const auto user = ValueOf(workload, "unix:user:");
  Suggestion suggestion{.spiffe_id = fmt::format("spiffe://{}/{}/{}", trust_domain,
                                                 SegmentOf(user.value_or("uid-" + *uid)),
                                                 SegmentOf(path.value_or("workload"))),
                        .node = node,
                        .selectors = {"unix:uid:" + *uid},
                        .digest = {}};
  if (path) suggestion.selectors.push_back("unix:path:" + *path);
  if (const auto digest = ValueOf(workload, "unix:sha256:"))
    suggestion.digest = "unix:sha256:" + *digest;
  return suggestion;
}

std::string SuggestionText(const Suggestion& suggestion) {
  std::string text = fmt::format("lodekey entry create --spiffe-id {} --node {}",
                                 Quoted(suggestion.spiffe_id), suggestion.node);
  for (const std::string& selector : suggestion.selectors)
    text += " --selector " + Quoted(selector);
  text += "\n";
  if (!suggestion.digest.empty())
    text += fmt::format("# For this build of the program alone, add: --selector {}\n",
                        suggestion.digest);
  return text;
}

std::string SuggestionLine(const Suggestion& suggestion) {
  const Json line = {{"spiffe_id", suggestion.spiffe_id},
                     {"nodes", {suggestion.node}},
                     {"selectors", suggestion.selectors}};
  return line.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

}  // namespace lodekey::cli
