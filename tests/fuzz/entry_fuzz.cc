// What operators write and labels make: selectors, SPIFFE IDs and their templates, a line each.
#include <cstdint>
#include <cstdlib>

#include "attest/entry.h"

namespace {

using namespace lodekey;

void Require(bool ok) {
  if (!ok) std::abort();
}

std::string TakeLine(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string line(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = AsText(ByteView(data, size));
  attest::Entry entry{.spiffe_id = TakeLine(text), .scope = {.nodes = {std::string(64, 'a')}}};
  const attest::Labels labels = {{"site", TakeLine(text)}};
  while (!text.empty()) {
    const std::string line = TakeLine(text);
    const auto selector = attest::ParseSelector(line);
    if (!selector) continue;
    Require(attest::FormatSelector(*selector) == line);
    entry.selectors.push_back(*selector);
  }
  if (const auto id = ParseSpiffeId(entry.spiffe_id)) Require(id->ToString() == entry.spiffe_id);
  const bool good = attest::CheckEntry(entry, "example.org").has_value();
  const auto id = attest::ExpandSpiffeId(entry, labels);
  if (!good || !id) return 0;
  // What an entry that was let in gives out is one of its trust domain, and never ours.
  Require(id->trust_domain == "example.org" && !id->path.empty());
  Require(id->path != "/node" && !id->path.starts_with("/node/"));
  Require(id->path != "/lodekey" && !id->path.starts_with("/lodekey/"));
  Require(ParseSpiffeId(id->ToString()).has_value());
  return 0;
}
