#include "attest/policy_bundle.h"

#include "base/writer.h"

namespace lodekey::attest {
namespace {

constexpr std::string_view kDigestLabel = "lodekey/policy/v1";

}  // namespace

crypto::Sha256Digest BundleDigest(const PolicyBundle& bundle) {
  Writer writer;
  writer.Raw(kDigestLabel).U32Be(static_cast<uint32_t>(bundle.files.size()));
  for (const auto& [name, text] : bundle.files) writer.Sized32(name).Sized32(text);
  writer.Sized32(bundle.data);
  return crypto::Sha256(writer.view());
}

}  // namespace lodekey::attest
