#include "issuer/policy_engine.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/issuer/policy_rig.h"
#include "tests/support/must.h"

namespace lodekey::issuer {
namespace {

using ::testing::HasSubstr;

TEST(PolicyEngine, EvaluatesARuleForEachInputInTheirOrder) {
  const auto engine = test::Must(Load("decision := {\"twice\": input.n * 2}"));
  const auto values = engine->Evaluate(kRule, {R"({"n": 1})", R"({"n": 21})"});
  ASSERT_EQ(values.size(), 2U);
  EXPECT_EQ(test::Must(values[0]), R"({"twice":2})");
  EXPECT_EQ(test::Must(values[1]), R"({"twice":42})");
}

TEST(PolicyEngine, ReadsTheDataDocument) {
  PolicyBundle bundle = Bundle("decision := data.admission.minimum");
  bundle.data = R"({"admission": {"minimum": "hardware"}})";
  const auto engine = test::Must(PolicyEngine::Load(bundle, Options()));
  EXPECT_EQ(test::Must(Ask(*engine)), "\"hardware\"");
}

TEST(PolicyEngine, JoinsFilesOfOnePackage) {
  PolicyBundle bundle = Bundle("decision := count(deny)\ndeny contains \"a\" if true");
  bundle.files["site.rego"] = "package lodekey.issuance\n\ndeny contains \"b\" if input.late";
  const auto engine = test::Must(PolicyEngine::Load(bundle, Options()));
  EXPECT_EQ(test::Must(Ask(*engine, R"({"late": true})")), "2");
  EXPECT_EQ(test::Must(Ask(*engine, R"({"late": false})")), "1");
}

// regorus evaluates one file alone of a package that is imported: a rule that denies would be lost.
TEST(PolicyEngine, RefusesTheImportOfAPackageOfSeveralFiles) {
  PolicyBundle bundle = Bundle("import data.site\n\ndecision := count(site.deny)");
  bundle.files["site.rego"] = "package site\n\ndeny contains \"a\" if true";
  const auto one = test::Must(PolicyEngine::Load(bundle, Options()));
  EXPECT_EQ(test::Must(Ask(*one)), "1");
  bundle.files["more.rego"] = "package site\n\ndeny contains \"b\" if true";
  const auto several = PolicyEngine::Load(bundle, Options());
  ASSERT_FALSE(several);
  EXPECT_EQ(several.error().Name(), "policy-invalid");
  EXPECT_THAT(several.error().text, HasSubstr("issuance.rego:3:8: data.site has several files"));
  bundle.files["issuance.rego"] = "package lodekey.issuance\n\ndecision := count(data.site.deny)";
  const auto by_name = test::Must(PolicyEngine::Load(bundle, Options()));
  EXPECT_EQ(test::Must(Ask(*by_name)), "2");
}

// The same of a package as one value.
TEST(PolicyEngine, SeesAllFilesOfAPackageThatIsAValue) {
  PolicyBundle bundle = Bundle("decision := count(data.site[\"deny\"])");
  bundle.files["site.rego"] = "package site\n\ndeny contains \"a\" if true";
  bundle.files["more.rego"] = "package site\n\ndeny contains \"b\" if true";
  const auto engine = test::Must(PolicyEngine::Load(bundle, Options()));
  EXPECT_EQ(test::Must(Ask(*engine)), "2");
  bundle.files["issuance.rego"] =
      "package lodekey.issuance\n\ndecision := count(x.deny) if x := data.site";
  EXPECT_EQ(test::Must(Ask(*test::Must(PolicyEngine::Load(bundle, Options())))), "2");
  bundle.files["issuance.rego"] =
      "package lodekey.issuance\n\ndecision := count(data.site[x]) if x := input.name";
  EXPECT_EQ(
      test::Must(Ask(*test::Must(PolicyEngine::Load(bundle, Options())), R"({"name": "deny"})")),
      "2");
}

// --- what does not load ---

struct Broken {
  std::string name;
  std::string body;
  std::string place;  // where the error is said to be
  std::string text;   // and a part of what is said
};

class BrokenPolicy : public ::testing::TestWithParam<Broken> {};

TEST_P(BrokenPolicy, IsRefusedWithItsPlace) {
  const Error error = LoadError(GetParam().body);
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_EQ(error.Name(), "policy-invalid");
  EXPECT_THAT(error.text, HasSubstr("issuance.rego:" + GetParam().place + ": "));
  EXPECT_THAT(error.text, HasSubstr(GetParam().text));
}

INSTANTIATE_TEST_SUITE_P(
    Load, BrokenPolicy,
    ::testing::Values(
        Broken{"Syntax", "decision := {", "3:14", ""},
        Broken{"UnboundInAHead", "decision := x if true", "3:13", "nothing gives x a value"},
        Broken{"UnboundInAnElse", "decision := 1 if input.a\nelse := x", "4:9", "x"},
        Broken{"UnboundInASet", "deny contains {\"a\": x} if true", "3:21", "x"},
        Broken{"UnboundInABody", "decision := 1 if x == 1", "3:18", "x"},
        Broken{"UnknownFunction", "decision := 1 if {\n  lower(\"A\") == uper(\"a\")\n}", "4:17",
               "there is no function uper"},
        Broken{"UnknownFunctionInAComprehension", "decision := [y | some x in [1]; y := f(x)]",
               "3:38", "there is no function f"},
        Broken{"UnknownFunctionInEvery", "decision if every x in [1] { g(x) }", "3:30", "g"},
        Broken{"UnknownFunctionInADefault", "default decision := {x | x := h(1)}", "3:31", "h"},
        Broken{"FunctionOfAnotherPackage", "decision := data.lodekey.standing.f(1)", "3:13",
               "there is no function data.lodekey.standing.f"},
        Broken{"FunctionByItsShortName",
               "import data.lodekey.issuance.tools\ndecision := tools.f(1)", "4:13", "tools.f"},
        Broken{"Random", "decision := rand.intn(\"a\", 9)", "3:13",
               "rand.intn is not for policies"},
        Broken{"RandomInBrackets", "decision := rand[\"intn\"](\"a\", 9)", "3:13", "rand.intn"},
        Broken{"RandomInDisguise",
               "f(a, b) := 1\ndecision := 1 if f(1, 2) == 1 with f as rand.intn", "4:41",
               "rand.intn"},
        Broken{"Clock", "decision := time.now_ns()", "3:13", "time.now_ns"},
        Broken{"Network", "decision := http.send({})", "3:13", "http.send"},
        Broken{"Names", "decision := net.lookup_ip_addr(\"a\")", "3:13", "net.lookup_ip_addr"},
        Broken{"Uuid", "decision := uuid.rfc4122(\"a\")", "3:13", "uuid.rfc4122"},
        Broken{"Runtime", "decision := opa.runtime()", "3:13", "opa.runtime"},
        Broken{"ReplacesNothing", "decision := 1 if true with foo.bar as 2", "3:28",
               "with replaces"},
        Broken{"ComprehensionInAHead", "decision := [x | x := input.a[_]] if input.b", "3:13",
               "no comprehension in the head of a rule: give it a name"},
        Broken{"ComprehensionInACallInAHead", "decision := count({x | x := input.a[_]}) if input.b",
               "3:19", "no comprehension"},
        Broken{"ComprehensionInAnElse", "decision := 1 if input.c\nelse := [x | x := input.a[_]]",
               "4:9", "no comprehension"},
        Broken{"ComprehensionInAFunction", "f(y) := {x: 1 | x := y[_]} if y", "3:9",
               "no comprehension"},
        Broken{"ComprehensionInASet", "deny contains [x | x := input.a[_]]", "3:15",
               "no comprehension"},
        Broken{"ComprehensionInAKey", "decision[count([x | x := input.a[_]])] := 1", "3:16",
               "no comprehension"},
        Broken{"ComprehensionInAComprehension",
               "decision := 1 if { [[y | y := x[_]] | x := input.a[_]] == [] }", "3:21",
               "no comprehension in what another one collects"},
        Broken{"ComprehensionInTheKeyOfAComprehension",
               "decision := {count([y | y := x[_]]): 1 | x := input.a[_]}", "3:20",
               "no comprehension in what another one collects"}),
    [](const auto& param) { return param.param.name; });

// Where regorus has an order for them.
TEST(PolicyEngine, EvaluatesComprehensions) {
  const std::string input = R"({"a": [[1, 2], [3]]})";
  for (const auto& [body, value] : std::map<std::string, std::string>{
           {"decision := {\"a\": count([x | x := input.a[_]])}", R"({"a":2})"},
           {"default decision := [x | x := input.a[_]]", "[[1,2],[3]]"},
           {"decision := f(input.a)\nf(y) := [x | x := y[_]]", "[[1,2],[3]]"},
           {"decision := [y | x := input.a[_]; y := count([z | z := x[_]])]", "[2,1]"},
           {"decision := all if all := [x | x := input.a[_]]", "[[1,2],[3]]"}})
    EXPECT_EQ(test::Must(Value(body, input)), value) << body;
}

TEST(PolicyEngine, SaysHowAFunctionOfAnotherPackageIsCalled) {
  PolicyBundle bundle = Bundle("import data.tools\n\ndecision := tools.f(1)");
  bundle.files["tools.rego"] = "package tools\n\nf(x) := x";
  const auto refused = PolicyEngine::Load(bundle, Options());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text, HasSubstr("there is no function tools.f; write data.tools.f"));
  bundle.files["issuance.rego"] = "package lodekey.issuance\n\ndecision := data.tools.f(1)";
  const auto engine = test::Must(PolicyEngine::Load(bundle, Options()));
  EXPECT_EQ(test::Must(Ask(*engine)), "1");
}

// Whatever gives a name in a head its value.
TEST(PolicyEngine, KnowsTheNamesInHeads) {
  PolicyBundle bundle = Bundle(
      "import data.lodekey.limits\nimport input.user as who\n\n"
      "decision := {\"a\": limits, \"b\": who, \"c\": near, \"d\": twice(2), \"e\": all}\n"
      "near := input.items[_]\n"
      "twice(x) := x * 2\n"
      "all := [[i, y] | y := input.items[i]]\n"
      "pairs[k] := v if some k, v in input.items\n"
      "first(items) := items[0] if count(items) > 0\n"
      "else := near if true\n"
      "set contains value if value := near\n"
      "late := x if { [x, _] := [near, 1] }\n"
      "each := {k: v | some k, v in pairs}\n"
      "default sure := {x | x := 1}\n");
  bundle.data = R"({"lodekey": {"limits": 3}})";
  const auto engine = test::Must(PolicyEngine::Load(bundle, Options()));
  EXPECT_EQ(test::Must(Ask(*engine, R"({"user": "me", "items": [7]})")),
            R"({"a":3,"b":"me","c":7,"d":4,"e":[[0,7]]})");
}

TEST(PolicyEngine, RefusesDataInThePlaceOfARule) {
  PolicyBundle bundle = Bundle("decision := false");
  bundle.data = R"({"lodekey": {"issuance": {"decision": true}}})";
  const auto loaded = PolicyEngine::Load(bundle, Options());
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().text, HasSubstr("issuance.rego:3:1: data.lodekey.issuance.decision"));
}

TEST(PolicyEngine, RefusesDataThatIsNoObject) {
  for (const std::string data : {"[]", "{", "1", ""}) {
    PolicyBundle bundle = Bundle("decision := 1");
    bundle.data = data;
    const auto loaded = PolicyEngine::Load(bundle, Options());
    ASSERT_FALSE(loaded) << data;
    EXPECT_EQ(loaded.error().Name(), "policy-invalid");
  }
}

TEST(PolicyEngine, RefusesWhatIsNotUtf8) {
  const Error error = LoadError("decision := \"\xff\"");
  EXPECT_EQ(error.Name(), "policy-invalid");
}

TEST(PolicyEngine, LoadsAFileOfTheGreatestSize) {
  std::string body = "decision := 1\n";
  while (body.size() < kMaxPolicyBytes - 256) body += "# " + std::string(98, 'x') + "\n";
  EXPECT_EQ(test::Must(Value(body)), "1");
}

TEST(PolicyEngine, RefusesAFileThatNeedsTooMuchStackToCompile) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer makes an exit of the end of the stack";
  std::string body = "decision := 1";
  while (body.size() < kMaxPolicyBytes - 256) body += " +\n1 + 1 + 1 + 1 + 1 + 1 + 1 + 1";
  const Error error = LoadError(body);
  EXPECT_EQ(error.Name(), "policy-invalid");
}

TEST(PolicyEngine, RefusesAFileThatTakesTooLongToCompile) {
  const Error error = LoadError("decision := " + std::string(100, '[') + std::string(100, ']'));
  EXPECT_EQ(error.Name(), "policy-invalid");
  EXPECT_THAT(error.text, HasSubstr("longer to compile"));
}

TEST(PolicyEngine, SaysThatItsProgramCannotBeStarted) {
  const auto loaded = PolicyEngine::Load(Bundle("decision := 1"), {.program = "/nonexistent"});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Code::kUnavailable);
  EXPECT_EQ(loaded.error().Name(), "policy-engine");
  EXPECT_THAT(loaded.error().text, HasSubstr("/nonexistent"));
}

TEST(PolicyEngine, SaysThatItsProgramIsNoWorker) {
  const auto loaded = PolicyEngine::Load(Bundle("decision := 1"), {.program = "/bin/true"});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Code::kUnavailable);
  EXPECT_EQ(loaded.error().Name(), "policy-engine");
}

// --- what fails when it is asked ---

TEST(PolicyEngine, DeniesWhatIsUndefined) {
  const Error error = ErrorOf(Value("decision := 1 if input.never"));
  EXPECT_EQ(error.code, Code::kDenied);
  EXPECT_EQ(error.Name(), "policy-error");
  EXPECT_THAT(error.text, HasSubstr("data.lodekey.issuance.decision is undefined"));
}

TEST(PolicyEngine, DeniesARuleThatIsNotThere) {
  const auto engine = test::Must(Load("decision := 1"));
  for (const std::string_view rule : {"data.lodekey.issuance.nothing", "data", "", "1 +"})
    EXPECT_EQ(ErrorOf(Ask(*engine, "{}", rule)).Name(), "policy-error") << rule;
}

TEST(PolicyEngine, SaysWhereAnEvaluationFailed) {
  const Error conflict = ErrorOf(Value("decision := 1\n\ndecision := 2"));
  EXPECT_EQ(conflict.Name(), "policy-error");
  EXPECT_THAT(conflict.text, HasSubstr("issuance.rego:5:1: "));
  const Error strict = ErrorOf(Value("decision if not to_number(\"x\") == 1"));
  EXPECT_THAT(strict.text, HasSubstr("issuance.rego:3:"));
}

TEST(PolicyEngine, DeniesAnInputThatIsNoJson) {
  const auto engine = test::Must(Load("decision := 1"));
  EXPECT_EQ(ErrorOf(Ask(*engine, "{")).Name(), "policy-error");
  EXPECT_EQ(ErrorOf(Ask(*engine, "\xff")).Name(), "policy-error");
  EXPECT_EQ(ErrorOf(Ask(*engine, std::string(1000, '['))).Name(), "policy-error");
}

TEST(PolicyEngine, BoundsInputAndOutput) {
  const auto engine = test::Must(Load("decision := [input, input]"));
  const auto text = [](size_t size) { return '"' + std::string(size, 'x') + '"'; };
  EXPECT_TRUE(Ask(*engine, text(100 << 10)));
  EXPECT_THAT(ErrorOf(Ask(*engine, text(200 << 10))).text, HasSubstr("larger than 256 KiB"));
  EXPECT_THAT(ErrorOf(Ask(*engine, text(300 << 10))).text, HasSubstr("larger than 256 KiB"));
  EXPECT_TRUE(Ask(*engine, "1"));
}

TEST(PolicyEngine, AnInputThatFailsDoesNotTouchTheOthers) {
  const auto engine = test::Must(Load("decision := 10 / input.n"));
  const auto values = engine->Evaluate(kRule, {R"({"n": 1})", R"({"n": 0})", "no", R"({"n": 5})"});
  ASSERT_EQ(values.size(), 4U);
  EXPECT_EQ(test::Must(values[0]), "10");
  EXPECT_EQ(ErrorOf(values[1]).Name(), "policy-error");
  EXPECT_EQ(ErrorOf(values[2]).Name(), "policy-error");
  EXPECT_EQ(test::Must(values[3]), "2");
}

TEST(PolicyEngine, KeepsNothingOfAnEvaluationForTheNext) {
  const auto engine = test::Must(
      Load("decision := {\"n\": object.get(input, \"n\", null), \"s\": s, \"p\": half(input)}\n"
           "s contains x if some x in input.items\n"
           "half(i) := i.n / i.d if i.d != 3\n"
           "half(i) := bad if { i.d == 3; bad := to_number(\"x\") }\n"
           "half(i) := null if not i.d"));
  const std::string first = R"({"n": 4, "items": [1, 2], "d": 2})";
  const std::string expected = test::Must(Ask(*engine, first));
  EXPECT_EQ(expected, R"({"n":4,"p":2,"s":[1,2]})");
  for (const std::string between :
       {R"({"n": 1, "items": [3], "d": 0})", R"({"n": 1, "items": [3], "d": 3})", "{}"}) {
    static_cast<void>(Ask(*engine, between));
    EXPECT_EQ(test::Must(Ask(*engine, first)), expected);
  }
  EXPECT_EQ(test::Must(Ask(*engine, "{}")), R"({"n":null,"p":null,"s":[]})");
}

TEST(PolicyEngine, WhatIsPrintedGoesNowhere) {
  EXPECT_EQ(test::Must(Value("decision := 1 if { print(\"x\", input); trace(\"y\") }")), "1");
}

// --- tests ---

PolicyBundle TestedBundle(const std::string& tests) {
  PolicyBundle bundle = Bundle("f(x) := f(x + 1)\ndecision := input.user == \"root\"");
  bundle.files["issuance_test.rego"] =
      "package lodekey.issuance_test\n\nimport data.lodekey.issuance\n\n" + tests;
  return bundle;
}

TEST(PolicyEngine, RunsTheTestsOfTheBundle) {
  const auto engine = test::Must(PolicyEngine::Load(
      TestedBundle("test_root if issuance.decision with input as {\"user\": \"root\"}\n"
                   "test_no_input if not issuance.decision\n"
                   "test_wrong if issuance.decision with input as {\"user\": \"other\"}\n"
                   "test_text := \"true\"\n"
                   "test_error if 1 / 0 == 1\n"
                   "test_stack if data.lodekey.issuance.f(1)\n"
                   "test_twice if 1 == 1\n"
                   "test_twice if 2 == 2\n"
                   "helper if true\n"),
      Options()));
  std::map<std::string, std::string> messages;
  for (const auto& result : test::Must(engine->Test()))
    messages[result.name] = result.passed ? "passed" : result.message;
  const std::string package = "data.lodekey.issuance_test.";
  EXPECT_EQ(messages.size(), 7U);
  EXPECT_EQ(messages[package + "test_root"], "passed");
  EXPECT_EQ(messages[package + "test_no_input"], "passed");
  EXPECT_EQ(messages[package + "test_twice"], "passed");
  EXPECT_THAT(messages[package + "test_wrong"], HasSubstr("undefined"));
  EXPECT_THAT(messages[package + "test_text"], HasSubstr("not true"));
  EXPECT_THAT(messages[package + "test_error"], HasSubstr("issuance_test.rego:9:"));
  // The address sanitizer makes an exit of the end of the stack.
  EXPECT_THAT(messages[package + "test_stack"],
              ::testing::ContainsRegex(kSanitized ? "memory or stack|without an answer"
                                                  : "memory or stack"));
}

TEST(PolicyEngine, TestsDecideNothing) {
  PolicyBundle bundle = TestedBundle("test_x if 1 == 1");
  bundle.files["more_test.rego"] = "package site\n\nother := 1";
  const auto engine = test::Must(PolicyEngine::Load(bundle, Options()));
  EXPECT_EQ(ErrorOf(Ask(*engine, "{}", "data.site.other")).Name(), "policy-error");
}

// They would be missing when it decides: one that denies, too.
TEST(PolicyEngine, RefusesRulesThatWouldDecideInAFileOfTests) {
  for (const std::string file :
       {"package lodekey.issuance\n\ndeny contains \"a\" if true",
        "package lodekey.admission\n\ntest_x if 1 == 1",
        "package lodekey.standing.tools\n\nf(x) := x", "package lodekey\n\nissuance.deny := 1",
        "package lodekey.issuance\n\ndefault allowed := false"}) {
    PolicyBundle bundle = TestedBundle("test_x if 1 == 1");
    bundle.files["more_test.rego"] = file;
    const auto refused = PolicyEngine::Load(bundle, Options());
    ASSERT_FALSE(refused) << file;
    EXPECT_EQ(refused.error().Name(), "policy-invalid");
    EXPECT_THAT(refused.error().text,
                ::testing::ContainsRegex(
                    "more_test.rego:3:[0-9]+: a rule of data.lodekey.*in a file of tests"));
  }
  PolicyBundle bundle = TestedBundle("test_x if 1 == 1");
  bundle.files["more_test.rego"] = "package lodekey.issuance.tools_test\n\nf(x) := x";
  EXPECT_TRUE(PolicyEngine::Load(bundle, Options()));
  bundle.files["more_test.rego"] = "package lodekey.issuance_test\n\nf(";
  EXPECT_EQ(PolicyEngine::Load(bundle, Options()).error().Name(), "policy-invalid")
      << "nobody knows what it defines";
}

TEST(PolicyEngine, TestsThatDoNotCompileAreAnError) {
  const auto engine =
      test::Must(PolicyEngine::Load(TestedBundle("test_x if nothing(1)"), Options()));
  const auto results = engine->Test();
  ASSERT_FALSE(results);
  EXPECT_EQ(results.error().Name(), "policy-invalid");
  EXPECT_THAT(results.error().text, HasSubstr("issuance_test.rego:5:11: there is no function"));
}

}  // namespace
}  // namespace lodekey::issuer
