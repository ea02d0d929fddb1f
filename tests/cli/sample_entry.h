// An entry with every field set to something that is not its default.
#pragma once

#include <string>
#include <utility>

#include "attest/entry_codec.h"
#include "lodekey/admin/v1/admin_service.pb.h"

namespace lodekey::cli {

inline attest::Selector SelectorOf(std::string_view text) {
  return attest::ParseSelector(text).value();
}

inline attest::Entry SampleEntry() {
  return {.id = "0190b2c4-0000-7000-8000-000000000001",
          .revision = 3,
          .spiffe_id = "spiffe://fleet.example/{{site}}/web",
          .scope = {.nodes = {std::string(64, 'a')}, .labels = {{"site", "fra1"}}},
          .selectors = {SelectorOf("unix:uid:1000"), SelectorOf("unix:path:/usr/bin/web")},
          .x509_ttl = std::chrono::minutes(30),
          .jwt_ttl = std::chrono::seconds(90),
          .dns_names = {"web", "web-1.fleet.example"},
          .common_name = "web",
          .hint = "internal",
          .jwt_audiences = {"db", "*"},
          .owner = "web team",
          .expires = Time(Duration(1790000000000)),  // 2026-09-21T14:13:20Z
          .prefetch = true};
}

// What the issuer answers when one entry becomes another; empty: there is none.
inline admin::v1::ApplyEntriesResponse Applied(const attest::Entry& before,
                                               const attest::Entry& after) {
  admin::v1::ApplyEntriesResponse response;
  auto& applied = *response.add_applied();
  applied.set_changed(!(before == after));
  if (!before.spiffe_id.empty()) *applied.mutable_before() = attest::EncodeEntry(before);
  if (!after.spiffe_id.empty()) *applied.mutable_after() = attest::EncodeEntry(after);
  return response;
}

inline void Refuse(admin::v1::ApplyEntriesResponse& response, uint32_t index,
                   const std::string& code, const std::string& text, const std::string& advice) {
  auto& refused = *response.add_refused();
  refused.set_index(index);
  refused.set_code(code);
  refused.set_text(text);
  refused.set_advice(advice);
}

}  // namespace lodekey::cli
