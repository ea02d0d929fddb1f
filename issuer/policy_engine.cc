#include "issuer/policy_engine.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

#include <fmt/format.h>

#include "base/guarded.h"
#include "issuer/policy_process.h"

namespace lodekey::issuer {
namespace {

// A test may evaluate a rule many times, with many inputs; all of them have half a minute.
constexpr int kTestTimes = 10;
constexpr Duration kAllTestsTime = std::chrono::seconds(30);

PolicyBundle WithoutTests(PolicyBundle bundle) {
  std::erase_if(bundle.files,
                [](const auto& file) { return file.first.ends_with(kPolicyTestSuffix); });
  return bundle;
}

// A worker, or the place of one that ended.
using Slot = std::optional<PolicyProcess>;

class Engine : public PolicyEngine {
 public:
  Engine(const PolicyBundle& bundle, PolicyEngineOptions options)
      : whole_(bundle), deciding_(WithoutTests(bundle)), options_(std::move(options)) {}

  Result<void> StartAll() {
    for (size_t i = 0; i < std::max<size_t>(options_.workers, 1); ++i) {
      ASSIGN_OR_RETURN(PolicyProcess process, PolicyProcess::Start(deciding_, options_), "load");
      idle_.emplace_back(std::move(process));
    }
    return {};
  }

  std::vector<Result<std::string>> Evaluate(std::string_view rule,
                                            const std::vector<std::string>& inputs) override {
    std::vector<Result<std::string>> values;
    values.reserve(inputs.size());
    for (const std::string& input : inputs) values.push_back(EvaluateOne(rule, input));
    return values;
  }

  Result<std::vector<PolicyTestResult>> Test() override;

 private:
  Result<std::string> EvaluateOne(std::string_view rule, const std::string& input) {
    Slot slot = Take();
    // Whatever is thrown, the slot goes back: one that is lost is lost for as long as this lives.
    const auto returned = Guarded("an evaluation", [&] {
      return EvaluateIn(slot, deciding_, rule, input, options_.evaluation_time);
    });
    Return(std::move(slot));
    return returned;
  }

  Result<std::string> EvaluateIn(Slot& slot, const PolicyBundle& bundle, std::string_view rule,
                                 const std::string& input, Duration time) const {
    if (!slot || !slot->IsAlive()) {
      slot.reset();
      ASSIGN_OR_RETURN(slot, PolicyProcess::Start(bundle, options_), "replace a worker");
    }
    return slot->Evaluate(rule, input, time);
  }

  Slot Take() {
    std::unique_lock lock(mutex_);
    returned_.wait(lock, [this] { return !idle_.empty(); });
    Slot slot = std::move(idle_.back());
    idle_.pop_back();
    return slot;
  }

  void Return(Slot slot) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(slot));
    returned_.notify_one();
  }

  const PolicyBundle whole_;
  const PolicyBundle deciding_;
  const PolicyEngineOptions options_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<Slot> idle_;
};

Result<std::vector<PolicyTestResult>> Engine::Test() {
  ASSIGN_OR_RETURN(Slot slot, PolicyProcess::Start(whole_, options_), "the tests");
  const auto end = std::chrono::steady_clock::now() + kAllTestsTime;
  std::vector<PolicyTestResult> results;
  for (const std::string& test : std::vector<std::string>(slot->tests())) {
    PolicyTestResult result{.name = test};
    if (std::chrono::steady_clock::now() > end) {
      result.message = "not run: all tests together may take 30 s";
    } else {
      const auto value = EvaluateIn(slot, whole_, test, "", kTestTimes * options_.evaluation_time);
      result.passed = value && *value == "true";
      if (!value) result.message = value.error().text;
      if (value && !result.passed) result.message = "it is " + value->substr(0, 256) + ", not true";
    }
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace

Result<std::unique_ptr<PolicyEngine>> PolicyEngine::Load(const PolicyBundle& bundle,
                                                         PolicyEngineOptions options) {
  RETURN_IF_ERROR(CheckBundle(bundle), "policy");
  auto engine = std::make_unique<Engine>(bundle, std::move(options));
  RETURN_IF_ERROR(engine->StartAll(), "policy");
  return engine;
}

}  // namespace lodekey::issuer
