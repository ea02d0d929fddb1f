#include "attest/policy_codec.h"

#include <fmt/format.h>

namespace lodekey::attest {

namespace policy = lodekey::policy::v1;

policy::Bundle EncodePolicy(const PolicyBundle& bundle) {
  policy::Bundle message;
  for (const auto& [name, text] : bundle.files) {
    policy::File& file = *message.add_files();
    file.set_name(name);
    file.set_text(text);
  }
  message.set_data(bundle.data);
  return message;
}

Result<PolicyBundle> DecodePolicy(const policy::Bundle& message) {
  PolicyBundle bundle{.data = message.data()};
  for (const policy::File& file : message.files()) {
    if (bundle.files.try_emplace(file.name(), file.text()).second) continue;
    return Fail(Code::kInvalidArgument, fmt::format("the policy has two files '{}'", file.name()),
                {.name = "policy-invalid"});
  }
  return bundle;
}

}  // namespace lodekey::attest
