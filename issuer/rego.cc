#include "issuer/rego.h"

#include "base/bytes.h"

namespace lodekey::issuer {
namespace {

PolicyAnswer::Kind KindOf(lodekey_rego_status status) {
  switch (status) {
    case LODEKEY_REGO_DONE: return PolicyAnswer::Kind::kValue;
    case LODEKEY_REGO_UNDEFINED: return PolicyAnswer::Kind::kUndefined;
    case LODEKEY_REGO_ERROR: return PolicyAnswer::Kind::kError;
  }
  return PolicyAnswer::Kind::kError;
}

// Calls with a place for the text, and takes that over.
template <class Call>
PolicyAnswer Ask(Call call) {
  lodekey_rego_text text = {};
  const PolicyAnswer::Kind kind = KindOf(call(&text));
  PolicyAnswer answer{.kind = kind, .text = std::string(AsText(ByteView(text.bytes, text.size)))};
  lodekey_rego_free_text(text);
  return answer;
}

}  // namespace

PolicyAnswer Rego::Load(const PolicyBundle& bundle, PolicyFiles files) {
  policy_.reset(lodekey_rego_new(files == PolicyFiles::kAll));
  for (const auto& [name, text] : bundle.files) {
    const ByteView name_bytes = AsBytes(name);
    const ByteView bytes = AsBytes(text);
    const PolicyAnswer added = Ask([&](lodekey_rego_text* out) {
      return lodekey_rego_add_file(policy_.get(), name_bytes.data(), name_bytes.size(),
                                   bytes.data(), bytes.size(), out);
    });
    if (added.kind != PolicyAnswer::Kind::kValue) return added;
  }
  const ByteView data = AsBytes(bundle.data);
  const PolicyAnswer added = Ask([&](lodekey_rego_text* out) {
    return lodekey_rego_add_data(policy_.get(), data.data(), data.size(), out);
  });
  if (added.kind != PolicyAnswer::Kind::kValue) return added;
  return Ask([&](lodekey_rego_text* out) { return lodekey_rego_compile(policy_.get(), out); });
}

PolicyAnswer Rego::Evaluate(std::string_view rule, std::string_view input) const {
  const ByteView rule_bytes = AsBytes(rule);
  const ByteView input_bytes = AsBytes(input);
  return Ask([&](lodekey_rego_text* out) {
    return lodekey_rego_evaluate(policy_.get(), rule_bytes.data(), rule_bytes.size(),
                                 input_bytes.data(), input_bytes.size(), out);
  });
}

}  // namespace lodekey::issuer
