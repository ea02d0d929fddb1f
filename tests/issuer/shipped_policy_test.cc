// What is shipped and what is shown as an example keep what their own tests say, as the engine
// evaluates them.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "issuer/policy_bundle.h"
#include "issuer/policy_engine.h"
#include "issuer/ruling.h"
#include "tests/support/must.h"
#include "tests/support/program.h"

namespace lodekey::test {
namespace {

using issuer::PolicyBundle;
using issuer::PolicyEngine;
using issuer::PolicyPoint;

const std::set<std::string> kExamples = {"assurance", "destination-and-action", "fresh-evidence",
                                         "site-and-network", "time-window"};

std::filesystem::path ExamplesFolder() {
  return std::filesystem::path(std::getenv("LODEKEY_SOURCE")) / "examples/policy";
}

std::string ReadText(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// As examples/policy/README.md says: the files beside the shipped ones, the keys of data.json into
// the one data.json.
void AddExample(PolicyBundle& bundle, const std::string& name) {
  for (const auto& entry : std::filesystem::directory_iterator(ExamplesFolder() / name)) {
    const std::string file = entry.path().filename();
    if (entry.path().extension() == ".rego") bundle.files[file] = ReadText(entry.path());
  }
  auto data = nlohmann::json::parse(bundle.data);
  data.merge_patch(nlohmann::json::parse(ReadText(ExamplesFolder() / name / "data.json")));
  bundle.data = data.dump();
}

std::unique_ptr<PolicyEngine> Load(const PolicyBundle& bundle) {
  Must(issuer::CheckBundle(bundle));
  return Must(
      PolicyEngine::Load(bundle, {.program = ProgramPath("lodekey-policy-worker"), .workers = 1}));
}

// How many tests of each file's package passed; all have to.
void ExpectTestsPass(const PolicyBundle& bundle, const std::string& package, size_t least) {
  size_t ours = 0;
  for (const auto& result : Must(Load(bundle)->Test())) {
    EXPECT_TRUE(result.passed) << result.name << ": " << result.message;
    if (result.name.find(package) != std::string::npos) ++ours;
  }
  EXPECT_GE(ours, least);
}

TEST(ShippedPolicy, KeepsWhatItsTestsSay) {
  for (const std::string point : {"admission", "standing", "issuance"})
    ExpectTestsPass(issuer::ShippedPolicy(), "lodekey." + point + "_test.", 20);
}

TEST(ShippedPolicy, DeniesAnEmptyInputInTheFormThatIsRead) {
  const auto engine = Load(issuer::ShippedPolicy());
  for (const auto point :
       {PolicyPoint::kAdmission, PolicyPoint::kStanding, PolicyPoint::kIssuance}) {
    const auto said = engine->Evaluate(issuer::PolicyRule(point), {"{}"});
    const auto output = Must(issuer::ReadPolicyOutput(point, Must(said.front())));
    EXPECT_FALSE(output.allow) << issuer::PolicyPointName(point);
  }
}

TEST(PolicyExamples, AreAllTested) {
  std::set<std::string> folders;
  for (const auto& entry : std::filesystem::directory_iterator(ExamplesFolder()))
    if (entry.is_directory()) folders.insert(entry.path().filename());
  EXPECT_EQ(folders, kExamples);
}

TEST(PolicyExamples, KeepWhatTheirTestsSayTogether) {
  PolicyBundle bundle = issuer::ShippedPolicy();
  for (const std::string& name : kExamples) AddExample(bundle, name);
  ExpectTestsPass(bundle, "_test.", 100);
}

class PolicyExample : public testing::TestWithParam<std::string> {};

TEST_P(PolicyExample, KeepsWhatItsTestsSay) {
  PolicyBundle bundle = issuer::ShippedPolicy();
  AddExample(bundle, GetParam());
  std::string package = "lodekey." + GetParam() + "_test.";
  std::ranges::replace(package, '-', '_');
  ExpectTestsPass(bundle, package, 5);
}

INSTANTIATE_TEST_SUITE_P(Each, PolicyExample, testing::ValuesIn(kExamples), [](const auto& each) {
  std::string name = each.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace lodekey::test
