#include "cli/entry_list.h"

#include <algorithm>

#include "attest/entry_codec.h"

namespace lodekey::cli {
namespace {

constexpr size_t kPage = 1000;

}  // namespace

Result<std::vector<attest::Entry>> ListEntries(Session& session,
                                               admin::v1::ListEntriesRequest request,
                                               size_t limit) {
  std::vector<attest::Entry> entries;
  do {
    const size_t missing = limit == 0 ? kPage : limit - entries.size();
    request.set_limit(static_cast<uint32_t>(std::min(missing, kPage)));
    const auto page = session.admin().ListEntries(request);
    if (!page) return std::unexpected(page.error());
    for (const auto& message : page->entries()) {
      ASSIGN_OR_RETURN(attest::Entry entry, attest::DecodeEntry(message), "issuer");
      entries.push_back(std::move(entry));
      if (entries.size() == limit) return entries;
    }
    // An issuer that names the same place again would be asked for ever.
    if (page->next() == request.after()) break;
    request.set_after(page->next());
  } while (!request.after().empty());
  return entries;
}

}  // namespace lodekey::cli
