#include "cli/node_list.h"

namespace lodekey::cli {

namespace api = lodekey::admin::v1;

Result<std::vector<api::Node>> ListNodes(Session& session, api::ListNodesRequest request) {
  constexpr uint32_t kPage = 200;
  std::vector<api::Node> nodes;
  request.set_limit(kPage);
  do {
    auto page = session.admin().ListNodes(request);
    if (!page) return std::unexpected(page.error());
    for (api::Node& node : *page->mutable_nodes()) nodes.push_back(std::move(node));
    // An issuer that names the same place again would be asked for ever.
    if (page->next() == request.after()) break;
    request.set_after(page->next());
  } while (!request.after().empty());
  return nodes;
}

}  // namespace lodekey::cli
