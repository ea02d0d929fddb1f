// A line of `lodekey entry import`: bounded, and what is read is printed and read back the same.
#include <cstdint>
#include <cstdlib>

#include "cli/entry_json.h"

namespace {

void Require(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lodekey;
  auto entry = cli::ParseEntryJson(AsText(ByteView(data, size)));
  if (!entry) {
    Require(!entry.error().text.empty());
    return 0;
  }
  Require(size <= cli::kMaxEntryLine && entry->revision == 0);
  const std::string printed = cli::DumpJson(cli::EntryJson(*entry));
  if (printed.size() > cli::kMaxEntryLine) return 0;
  const auto again = cli::ParseEntryJson(printed);
  Require(again.has_value() && *again == *entry);
  return 0;
}
