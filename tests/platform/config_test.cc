#include "platform/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lodekey::platform {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const ConfigSchema& Schema() {
  static const ConfigSchema schema = {
      {.key = "name", .doc = "the name"},
      {.key = "tags", .kind = OptionKind::kList, .fallback = "one,two", .doc = "tags"},
      {.key = "net.port",
       .kind = OptionKind::kInteger,
       .fallback = "80",
       .doc = "port",
       .min = 1,
       .max = 65535},
      {.key = "net.fast", .kind = OptionKind::kFlag, .fallback = "false", .doc = "fast"},
      {.key = "net.wait", .kind = OptionKind::kSpan, .fallback = "10s", .doc = "wait"},
      {.key = "store.limit", .kind = OptionKind::kSize, .fallback = "1MiB", .doc = "limit"},
      {.key = "store.dir", .kind = OptionKind::kPath, .fallback = "/var/x", .doc = "directory"},
      {.key = "store.file",
       .kind = OptionKind::kPath,
       .fallback = "{store.dir}/file",
       .doc = "file"},
      {.key = "token", .fallback = "none", .doc = "token", .secret = true},
  };
  return schema;
}

Result<Config> Build(const std::string& text, const std::vector<Override>& command_line = {}) {
  return BuildConfig(Schema(), {.documents = {{.name = "/etc/x.toml", .text = text}},
                                .command_line = command_line});
}

std::string ErrorOf(const std::string& text) {
  const auto config = Build(text);
  return config ? "no error" : config.error().text;
}

TEST(Config, GivesTypedValuesAndDefaults) {
  const auto config = Build("name = 'n'\n[net]\nport = 8080\nfast = true\nwait = '1m'\n");
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->Text("name"), "n");
  EXPECT_THAT(config->List("tags"), ElementsAre("one", "two"));
  EXPECT_EQ(config->Integer("net.port"), 8080);
  EXPECT_TRUE(config->Flag("net.fast"));
  EXPECT_EQ(config->Span("net.wait"), std::chrono::minutes(1));
  EXPECT_EQ(config->Size("store.limit"), 1u << 20);
  EXPECT_EQ(config->Text("store.dir"), "/var/x");
}

TEST(Config, DerivesADefaultFromAnotherOption) {
  EXPECT_EQ(Build("name = 'n'")->Text("store.file"), "/var/x/file");
  EXPECT_EQ(Build("name = 'n'\nstore.dir = '/y'")->Text("store.file"), "/y/file");
  const auto set = Build("name = 'n'\nstore.dir = '/y'\nstore.file = '/z'");
  EXPECT_EQ(set->Text("store.file"), "/z");
}

TEST(Config, TakesTheLaterSourceAsAWhole) {
  const auto config =
      BuildConfig(Schema(), {.documents = {{.name = "a",
                                            .text = "name = 'a'\ntags = ['x', 'y', 'z']\n"
                                                    "net.port = 1\nnet.wait = '1s'"},
                                           {.name = "b", .text = "tags = ['w']\nnet.port = 2"}},
                             .environment_prefix = "APP_",
                             .environment = {{"APP_NET_PORT", "3"}, {"APP_NET_FAST", "true"}},
                             .command_line = {{"net.port", "4"}}});
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_THAT(config->List("tags"), ElementsAre("w")) << "replaced, not merged";
  EXPECT_EQ(config->Integer("net.port"), 4);
  EXPECT_EQ(config->Origin("name"), "a:1");
  EXPECT_EQ(config->Origin("tags"), "b:1");
  EXPECT_EQ(config->Origin("net.wait"), "a:4");
  EXPECT_EQ(config->Origin("net.fast"), "environment APP_NET_FAST");
  EXPECT_EQ(config->Origin("net.port"), "command line --set net.port");
  EXPECT_EQ(config->Origin("store.limit"), "default");
}

TEST(Config, IsDumpedInTheOrderOfItsSchemaWithoutSecrets) {
  const auto config = Build("name = 'n'\ntoken = 'hunter2'");
  ASSERT_TRUE(config);
  const auto rows = config->Dump();
  ASSERT_EQ(rows.size(), Schema().size());
  EXPECT_EQ(rows[0].key, "name");
  EXPECT_EQ(rows[0].value, "n");
  EXPECT_EQ(rows[0].origin, "/etc/x.toml:1");
  EXPECT_EQ(rows[0].doc, "the name");
  EXPECT_EQ(rows[1].value, "one,two");
  EXPECT_EQ(rows[4].value, "10s");
  EXPECT_EQ(rows[8].value, "(hidden)");
}

TEST(Config, NamesAnUnknownKeyAndTheOneThatWasMeant) {
  EXPECT_EQ(ErrorOf("name = 'n'\nnmae = 'x'"),
            "configuration: /etc/x.toml:2:1: unknown key 'nmae' (did you mean 'name'?)");
  EXPECT_THAT(ErrorOf("name = 'n'\n[net]\nprot = 1"),
              HasSubstr("/etc/x.toml:3:1: unknown key 'net.prot' (did you mean 'net.port'?)"));
  EXPECT_THAT(ErrorOf("name = 'n'\nport = 1"), HasSubstr("did you mean 'net.port'?"));
  EXPECT_THAT(ErrorOf("[net]\nname = 'n'"), HasSubstr("did you mean 'name'?"));
  EXPECT_THAT(ErrorOf("name = 'n'\ncompletely = 1"),
              AllOf(HasSubstr("unknown key 'completely'"), Not(HasSubstr("did you mean"))));
}

TEST(Config, RefusesAnUnknownVariableOrFlag) {
  const auto variable =
      BuildConfig(Schema(), {.environment_prefix = "APP_", .environment = {{"APP_NAM", "x"}}});
  EXPECT_THAT(variable.error().text,
              HasSubstr("environment: unknown key 'APP_NAM' (did you mean 'APP_NAME'?)"));
  EXPECT_THAT(Build("name = 'n'", {{"net.prt", "1"}}).error().text,
              HasSubstr("command line: unknown key 'net.prt' (did you mean 'net.port'?)"));
}

TEST(Config, SaysWhereAValueIsOfTheWrongTypeOrOutOfRange) {
  EXPECT_EQ(ErrorOf("name = 'n'\n[net]\n  port = \"80\""),
            "configuration: /etc/x.toml:3:3: 'net.port' must be an integer, not a string");
  EXPECT_THAT(ErrorOf("name = 'n'\nnet.port = 0"),
              HasSubstr("/etc/x.toml:2:5: 'net.port' must be from 1 to 65535, not '0'"));
  EXPECT_THAT(Build("name = 'n'", {{"net.wait", "soon"}}).error().text,
              HasSubstr("command line --set net.wait: 'net.wait' must be a duration"));
  EXPECT_THAT(ErrorOf("name = {first = 'n'}"), HasSubstr("unknown key 'name.first'"));
}

TEST(Config, ReportsEveryProblemOfALoadTogether) {
  const auto config = Build("nmae = 'x'\n[net]\nport = 0\nfast = 1\n", {{"bogus", "1"}});
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, Code::kInvalidArgument);
  EXPECT_EQ(config.error().Name(), "config-invalid");
  EXPECT_EQ(config.error().text,
            "configuration: "
            "/etc/x.toml:1:1: unknown key 'nmae' (did you mean 'name'?); "
            "/etc/x.toml:3:1: 'net.port' must be from 1 to 65535, not '0'; "
            "/etc/x.toml:4:1: 'net.fast' must be true or false, not an integer; "
            "command line: unknown key 'bogus'; "
            "'name' is required: the name");
}

TEST(Config, ReportsABadValueEvenWhenALaterSourceReplacesIt) {
  EXPECT_FALSE(Build("name = 'n'\nnet.port = 0", {{"net.port", "1"}}));
}

TEST(Config, ReportsSyntaxErrorsWithTheirPlaceAndGoesOn) {
  const auto config = BuildConfig(Schema(), {.documents = {{"a", "name = \n"}, {"b", "x = 1"}}});
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().text, HasSubstr("a:1:"));
  EXPECT_THAT(config.error().text, HasSubstr("b:1:1: unknown key 'x'"));
}

TEST(Config, CallsNothingMissingThatADocumentWithASyntaxErrorMayHave) {
  EXPECT_THAT(ErrorOf("name = \n"), Not(HasSubstr("required")));
}

TEST(Config, SaysWhatToWriteWhereThereIsNoFile) {
  const auto config = BuildConfig(Schema(), {.absent_file = "/etc/x.toml"});
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().text,
            "configuration: there is no '/etc/x.toml'; 'name' is required: the name");
  EXPECT_EQ(config.error().advice, "Write /etc/x.toml, with a line for each of: name = \"…\"");
  EXPECT_TRUE(
      BuildConfig(Schema(), {.absent_file = "/etc/x.toml", .command_line = {{"name", "n"}}}))
      << "the file is not needed";
}

ConfigReading Judge(const std::string& text) {
  return JudgeConfig(Schema(), {.documents = {{.name = "/etc/x.toml", .text = text}}});
}

TEST(ConfigReading, HasWhatIsGoodBesideWhatIsWrong) {
  const ConfigReading reading = Judge("name = 'n'\nbogus = 1\nnet.port = 0\nstore.dir = 'x'");
  ASSERT_TRUE(reading.problem);
  EXPECT_FALSE(reading.incomplete_alone);
  EXPECT_EQ(reading.config.Text("name"), "n");
  EXPECT_FALSE(reading.config.Flag("net.fast")) << "the default";
  EXPECT_FALSE(reading.config.Has("net.port"));
  EXPECT_FALSE(reading.config.Has("store.file")) << "its default depends on what is wrong";
  const auto rows = reading.config.Dump();
  EXPECT_EQ(rows[2].value, std::nullopt);
  EXPECT_EQ(rows[2].origin, "/etc/x.toml:3");
  EXPECT_EQ(rows[7].value, std::nullopt);
  EXPECT_EQ(rows[7].origin, "default");
}

TEST(ConfigReading, TellsIncompleteFromWrong) {
  const ConfigReading reading = Judge("net.port = 1");
  ASSERT_TRUE(reading.problem);
  EXPECT_TRUE(reading.incomplete_alone);
  EXPECT_FALSE(reading.config.Has("name"));
  EXPECT_EQ(reading.config.Dump()[0].origin, "");
  const ConfigReading whole = Judge("name = 'n'");
  EXPECT_FALSE(whole.problem);
  EXPECT_FALSE(whole.incomplete_alone);
}

TEST(ConfigReading, TakesNoDefaultsWhereADocumentCannotBeParsed) {
  const ConfigReading reading = Judge("name = \n");
  ASSERT_TRUE(reading.problem);
  EXPECT_FALSE(reading.incomplete_alone);
  EXPECT_FALSE(reading.config.Has("net.port"));
  EXPECT_EQ(reading.config.Dump().size(), Schema().size());
}

TEST(Config, BoundsWhatItReports) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "unknown" + std::to_string(i) + " = 1\n";
  const std::string error = ErrorOf(text);
  EXPECT_TRUE(error.ends_with("; and 4981 more")) << error.substr(error.size() - 40);
  EXPECT_LT(error.size(), 2000u);
}

TEST(Config, ShowsControlCharactersOfForeignKeys) {
  EXPECT_THAT(ErrorOf("name = 'n'\n\"a\\u001b[31m\" = 1"), HasSubstr("\\x1b[31m"));
  EXPECT_THAT(Build("name = 'n'", {{"a\nb", "1"}}).error().text, HasSubstr("'a\\nb'"));
}

TEST(Config, KeepsSecretsOutOfItsErrors) {
  EXPECT_THAT(ErrorOf("name = 'n'\ntoken = \"hunter2\\n\""),
              AllOf(HasSubstr("'token' must be"), Not(HasSubstr("hunter2"))));
}

TEST(ConfigDeathTest, EndsTheProgramWhenOurCodeMisspellsAKey) {
  const auto config = Build("name = 'n'");
  ASSERT_TRUE(config);
  EXPECT_DEATH((void)config->Text("nmae"), "");
}

}  // namespace
}  // namespace lodekey::platform
