#include "issuer/policy_engine.h"

#include <chrono>

#include <fmt/format.h>

#include "base/guarded.h"
#include "issuer/policy_process.h"
#include "issuer/worker_slots.h"

namespace lodekey::issuer {
namespace {

// A test may evaluate a rule many times, with many inputs; all of them have half a minute.
constexpr int kTestTimes = 10;
constexpr Duration kAllTestsTime = std::chrono::seconds(30);

std::unexpected<Error> OutOfTime() {
  return Fail(Code::kDenied, "the policy took all the time that a call has",
              {.name = "policy-time"});
}

using Slot = WorkerSlots::Slot;
using Clock = std::chrono::steady_clock;

// What is left of a call's time.
struct Left {
  Clock::duration waiting;
  Clock::duration evaluating;
};

class Engine : public PolicyEngine {
 public:
  Engine(const PolicyBundle& bundle, PolicyEngineOptions options)
      : bundle_(bundle), options_(std::move(options)) {}

  Result<void> StartAll() {
    for (size_t i = 0; i < std::max<size_t>(options_.workers, 1); ++i) {
      ASSIGN_OR_RETURN(PolicyProcess process,
                       PolicyProcess::Start(bundle_, PolicyFiles::kDeciding, options_), "load");
      slots_.Add(std::move(process));
    }
    return {};
  }

  std::vector<Result<std::string>> Evaluate(std::string_view rule,
                                            const std::vector<std::string>& inputs,
                                            WorkerShare share) override {
    Left left{.waiting = options_.busy_time, .evaluating = options_.call_time};
    std::vector<Result<std::string>> values;
    values.reserve(inputs.size());
    for (const std::string& input : inputs) values.push_back(EvaluateOne(rule, input, share, left));
    return values;
  }

  Result<std::vector<PolicyTestResult>> Test() override;

 private:
  Result<std::string> EvaluateOne(std::string_view rule, const std::string& input,
                                  WorkerShare share, Left& left) {
    if (left.evaluating <= Clock::duration::zero()) return OutOfTime();
    const auto asked = Clock::now();
    auto slot = slots_.Take(share, asked + left.waiting);
    const auto taken = Clock::now();
    left.waiting -= taken - asked;
    if (!slot) return std::unexpected(std::move(slot.error()));
    // Whatever is thrown, the slot goes back: one that is lost is lost for as long as this lives.
    const auto returned = Guarded("an evaluation", [&] {
      return EvaluateIn(*slot, PolicyFiles::kDeciding, rule, input, options_.evaluation_time);
    });
    slots_.Return(*std::move(slot), share);
    left.evaluating -= Clock::now() - taken;
    return returned;
  }

  Result<std::string> EvaluateIn(Slot& slot, PolicyFiles files, std::string_view rule,
                                 const std::string& input, Duration time) const {
    if (!slot || !slot->IsAlive()) {
      slot.reset();
      ASSIGN_OR_RETURN(slot, PolicyProcess::Start(bundle_, files, options_), "replace a worker");
    }
    return slot->Evaluate(rule, input, time);
  }

  const PolicyBundle bundle_;
  const PolicyEngineOptions options_;
  WorkerSlots slots_;
};

Result<std::vector<PolicyTestResult>> Engine::Test() {
  ASSIGN_OR_RETURN(Slot slot, PolicyProcess::Start(bundle_, PolicyFiles::kAll, options_),
                   "the tests");
  const auto end = Clock::now() + kAllTestsTime;
  std::vector<PolicyTestResult> results;
  for (const std::string& test : std::vector<std::string>(slot->tests())) {
    PolicyTestResult result{.name = test};
    if (Clock::now() > end) {
      result.message = "not run: all tests together may take 30 s";
    } else {
      const auto value =
          EvaluateIn(slot, PolicyFiles::kAll, test, "", kTestTimes * options_.evaluation_time);
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
