#include "tests/issuer/policy_fixture.h"

#include <mutex>

#include <fmt/format.h>

#include "issuer/policy_data.h"
#include "tests/support/must.h"
#include "tests/support/program.h"

namespace lodekey::test {
namespace {

// The tests that are shipped are of what is shipped.
void DropTests(issuer::PolicyBundle& bundle) {
  std::erase_if(bundle.files,
                [](const auto& file) { return file.first.ends_with(attest::kPolicyTestSuffix); });
}

class LazyEngine final : public issuer::PolicyEngine {
 public:
  LazyEngine(issuer::PolicyBundle bundle, issuer::PolicyEngineOptions options)
      : bundle_(std::move(bundle)), options_(std::move(options)) {}

  std::vector<Result<std::string>> Evaluate(std::string_view rule,
                                            const std::vector<std::string>& inputs,
                                            issuer::WorkerShare share) override {
    if (inputs.empty()) return {};
    return Started().Evaluate(rule, inputs, share);
  }
  Result<std::vector<issuer::PolicyTestResult>> Test() override { return Started().Test(); }

 private:
  issuer::PolicyEngine& Started() {
    const std::scoped_lock lock(mutex_);
    if (!engine_) engine_ = Must(issuer::PolicyEngine::Load(bundle_, options_));
    return *engine_;
  }

  const issuer::PolicyBundle bundle_;
  const issuer::PolicyEngineOptions options_;
  std::mutex mutex_;
  std::unique_ptr<issuer::PolicyEngine> engine_;
};

}  // namespace

issuer::PolicyEngineOptions EngineOptions() {
  return {.program = ProgramPath("lodekey-policy-worker"),
          .workers = 1,
          .evaluation_time = std::chrono::seconds(10),
          .call_time = std::chrono::seconds(60),
          .busy_time = std::chrono::seconds(60)};
}

issuer::PolicyBundle ShippedWith(const Choices& choices) {
  issuer::PolicyBundle bundle = issuer::ShippedPolicy();
  if (!choices.empty()) DropTests(bundle);
  auto data = nlohmann::json::parse(bundle.data);
  for (const auto& [key, value] : choices) data[nlohmann::json::json_pointer(key)] = value;
  bundle.data = data.dump();
  return bundle;
}

issuer::PolicyBundle ShippedAnd(const std::string& package, const std::string& rules,
                                const Choices& choices) {
  issuer::PolicyBundle bundle = ShippedWith(choices);
  DropTests(bundle);
  bundle.files["added.rego"] = fmt::format("package {}\n\nimport rego.v1\n\n{}\n", package, rules);
  return bundle;
}

issuer::PolicyBundle Always(const std::string& decision, const std::string& data) {
  issuer::PolicyBundle bundle{.files = {}, .data = data};
  for (const char* point : {"admission", "standing", "issuance"})
    bundle.files[fmt::format("{}.rego", point)] =
        fmt::format("package lodekey.{}\n\nimport rego.v1\n\ndecision := {}\n", point, decision);
  return bundle;
}

std::shared_ptr<const issuer::LoadedPolicy> Lazily(issuer::PolicyBundle bundle, uint64_t version,
                                                   const issuer::PolicyEngineOptions& options) {
  auto loaded = std::make_shared<issuer::LoadedPolicy>();
  loaded->version = version;
  loaded->appraisal = Must(issuer::ReadPolicyData(bundle.data)).appraisal;
  loaded->engine = std::make_unique<LazyEngine>(bundle, options);
  loaded->bundle = std::move(bundle);
  return loaded;
}

}  // namespace lodekey::test
