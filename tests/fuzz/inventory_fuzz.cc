// A list of hosts for `lodekey node import`, CSV or JSON: bounded, and each line is a host's or has
// a reason.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.h"
#include "cli/csv.h"
#include "cli/inventory_file.h"

namespace {

void Require(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lodekey;
  const std::string_view text = AsText(ByteView(data, size));
  if (const auto table = cli::ParseCsv(text)) {
    for (const cli::CsvRecord& record : table->records)
      Require(record.fields.size() == table->header.fields.size() && record.line > 0);
  }
  const auto list = cli::ParseInventory(text);
  if (!list) {
    Require(!list.error().text.empty());
    return 0;
  }
  Require(list->lines.size() <= cli::kMaxInventoryRows);
  for (const Error& problem : list->problems) Require(!problem.text.empty());
  for (const cli::InventoryLine& line : list->lines) Require(!line.place.empty());
  return 0;
}
