#include "attest/entry_codec.h"

namespace lodekey::attest {
namespace {

constexpr int64_t kMostMilliseconds = int64_t{1} << 52;  // beyond any date; no overflow in sums

Result<Duration> DecodeMilliseconds(int64_t value) {
  if (value >= 0 && value <= kMostMilliseconds) return Duration(value);
  return Fail(Code::kInvalidArgument, "a time or lifetime is out of range",
              {.name = "entry-invalid"});
}

}  // namespace

lodekey::entry::v1::Entry EncodeEntry(const Entry& entry) {
  lodekey::entry::v1::Entry message;
  message.set_id(entry.id);
  message.set_revision(entry.revision);
  message.set_spiffe_id(entry.spiffe_id);
  for (const std::string& node : entry.scope.nodes) message.mutable_scope()->add_node_ids(node);
  for (const auto& [name, value] : entry.scope.labels)
    (*message.mutable_scope()->mutable_labels())[name] = value;
  for (const Selector& selector : entry.selectors) message.add_selectors(FormatSelector(selector));
  message.set_x509_ttl_ms(entry.x509_ttl.count());
  message.set_jwt_ttl_ms(entry.jwt_ttl.count());
  for (const std::string& name : entry.dns_names) message.add_dns_names(name);
  message.set_common_name(entry.common_name);
  message.set_hint(entry.hint);
  for (const std::string& audience : entry.jwt_audiences) message.add_jwt_audiences(audience);
  message.set_owner(entry.owner);
  message.set_expires_unix_ms(entry.expires.time_since_epoch().count());
  message.set_prefetch(entry.prefetch);
  return message;
}

Result<Entry> DecodeEntry(const lodekey::entry::v1::Entry& message) {
  Entry entry{
      .id = message.id(),
      .revision = message.revision(),
      .spiffe_id = message.spiffe_id(),
      .scope = {.nodes = {message.scope().node_ids().begin(), message.scope().node_ids().end()},
                .labels = {message.scope().labels().begin(), message.scope().labels().end()}},
      .dns_names = {message.dns_names().begin(), message.dns_names().end()},
      .common_name = message.common_name(),
      .hint = message.hint(),
      .jwt_audiences = {message.jwt_audiences().begin(), message.jwt_audiences().end()},
      .owner = message.owner(),
      .prefetch = message.prefetch()};
  for (const std::string& text : message.selectors()) {
    ASSIGN_OR_RETURN(Selector selector, ParseSelector(text), "entry");
    entry.selectors.push_back(std::move(selector));
  }
  ASSIGN_OR_RETURN(entry.x509_ttl, DecodeMilliseconds(message.x509_ttl_ms()), "entry");
  ASSIGN_OR_RETURN(entry.jwt_ttl, DecodeMilliseconds(message.jwt_ttl_ms()), "entry");
  ASSIGN_OR_RETURN(const Duration expires, DecodeMilliseconds(message.expires_unix_ms()), "entry");
  entry.expires = Time(expires);
  return entry;
}

}  // namespace lodekey::attest
