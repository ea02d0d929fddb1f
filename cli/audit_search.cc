// audit search: records of the issuer's audit log.
#include <deque>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/audit_filter.h"
#include "cli/audit_source.h"
#include "cli/commands.h"
#include "cli/moment.h"
#include "cli/node_view.h"
#include "cli/session.h"
#include "cli/text.h"
#include "platform/file.h"
#include "platform/line_reader.h"

namespace lodekey::cli {
namespace {

constexpr size_t kDefaultLimit = 1000;
constexpr size_t kMaxLimit = 100'000;

struct SearchArguments {
  AuditArguments source = {};
  AuditFilter filter = {};
  std::string since = {};
  std::string until = {};
  size_t limit = kDefaultLimit;
};

struct Hit {
  uint64_t seq = 0;
  Json record;
};

// The newest `limit` that match, and how many did.
struct Hits {
  std::deque<Hit> newest = {};
  uint64_t matched = 0;
};

// What is shown is as the issuer wrote it, or nothing is.
Result<void> Look(std::string_view line, const AuditSource& source, const SearchArguments& what,
                  Hits& hits) {
  if (!MayMatch(what.filter, line)) return {};
  ASSIGN_OR_RETURN(Json record, RecordOf(line), source.path);
  if (!Matches(what.filter, record)) return {};
  ASSIGN_OR_RETURN(const crypto::ChainLine checked, crypto::ParseChainLine(line, source.key),
                   source.path);
  ++hits.matched;
  hits.newest.push_back({.seq = checked.head.seq, .record = std::move(record)});
  if (hits.newest.size() > what.limit) hits.newest.pop_front();
  return {};
}

Result<Hits> LookThrough(const AuditSource& source, const SearchArguments& what) {
  const auto fd = platform::OpenFile(source.path);
  if (!fd) return std::unexpected(fd.error());
  platform::LineReader reader(fd->get(), source.path, crypto::kMaxChainLine);
  Hits hits;
  bool first = true;
  for (std::string line;;) {
    ASSIGN_OR_RETURN(const bool more, reader.Next(line), "audit log");
    // A line without its end is being written.
    if (!more || reader.torn()) return hits;
    const bool header = std::exchange(first, false) && line.starts_with("{\"audit_export\"");
    if (header) continue;
    if (auto looked = Look(line, source, what, hits); !looked)
      return std::unexpected(looked.error());
  }
}

std::string HitsText(const Hits& hits) {
  if (hits.newest.empty()) return "No record.\n";
  std::vector<Row> rows;
  rows.reserve(hits.newest.size());
  for (const Hit& hit : hits.newest) {
    rows.push_back({std::to_string(hit.seq), hit.record.value("time", ""),
                    hit.record.value("event", ""), ShortNodeId(hit.record.value("node", "")),
                    WhatOf(hit.record)});
  }
  std::string text = FormatTable({"SEQ", "TIME", "EVENT", "NODE", "WHAT"}, rows);
  if (hits.matched > hits.newest.size()) {
    text += fmt::format("\nThe newest {} of {}; --limit gives more.\n", hits.newest.size(),
                        hits.matched);
  }
  return text;
}

Json HitsJson(const Hits& hits, const AuditSource& source) {
  Json records = Json::array();
  for (const Hit& hit : hits.newest) records.push_back({{"seq", hit.seq}, {"record", hit.record}});
  return {{"path", source.path}, {"matched", hits.matched}, {"records", std::move(records)}};
}

Result<ExitCode> Search(Session& session, SearchArguments arguments) {
  for (const auto& [text, option, moment] :
       {std::tuple(&arguments.since, "--since", &arguments.filter.since),
        std::tuple(&arguments.until, "--until", &arguments.filter.until)}) {
    if (text->empty()) continue;
    const auto read = ReadMoment(*text, option, session.Now());
    if (!read) return std::unexpected(read.error());
    *moment = *read;
  }
  // By its SPIFFE ID, too.
  std::string& node = arguments.filter.node;
  node.erase(0, node.rfind('/') + 1);
  const auto source = FindAuditLog(session, arguments.source);
  if (!source) return std::unexpected(source.error());
  const auto hits = LookThrough(*source, arguments);
  if (!hits) return std::unexpected(hits.error());
  if (session.json()) {
    session.PrintJson(HitsJson(*hits, *source));
  } else {
    session.Print(HitsText(*hits));
  }
  return ExitCode::kDone;
}

}  // namespace

void AddAuditSearch(CLI::App& group, Session& session) {
  CLI::App& search = *group.add_subcommand(
      "search", "find records in the audit log; each that is shown has the issuer's signature");
  const auto arguments = std::make_shared<SearchArguments>();
  AuditFilter& filter = arguments->filter;
  AddAuditSource(search, arguments->source);
  search.add_option("--node", filter.node, "only those of this node")
      ->type_name("NODE")
      ->check(CheckNodeName);
  search.add_option("--entry", filter.entry, "only those of this entry")->type_name("ENTRY");
  search.add_option("--actor", filter.actor, "only what this user did")->type_name("\"uid N\"");
  search.add_option("--event", filter.events, "only those of this event; may be given again")
      ->type_name("EVENT")
      ->allow_extra_args(false);
  search
      .add_option("--code", filter.codes,
                  "only those with this rule that failed, or reason of the policy; may be given "
                  "again")
      ->type_name("CODE")
      ->allow_extra_args(false);
  search.add_option("--since", arguments->since, "not before this time")->type_name("TIME|2h");
  search.add_option("--until", arguments->until, "before this time")->type_name("TIME|2h");
  search.add_option("--limit", arguments->limit, "the newest so many (default: 1000)")
      ->type_name("N")
      ->check(CLI::Range(size_t{1}, kMaxLimit));
  search.callback([&session, arguments] {
    session.verb = [&session, arguments] { return Search(session, *arguments); };
  });
}

}  // namespace lodekey::cli
