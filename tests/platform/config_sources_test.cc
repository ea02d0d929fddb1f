#include <gmock/gmock.h>

#include "platform/config.h"
#include "tests/platform/scratch.h"

namespace lodekey::platform {
namespace {

using testing::HasSubstr;

const ConfigSchema kSchema = {{.key = "a", .fallback = "default"},
                              {.key = "b", .fallback = "default"},
                              {.key = "c.d", .fallback = "default"}};

Result<Config> Load(const ScratchDir& scratch, bool required = true) {
  return LoadConfig(kSchema, {.file = scratch / "main.toml",
                              .file_required = required,
                              .environment_prefix = "LODEKEY_TESTAPP_"});
}

TEST(LoadConfig, ReadsTheFileThenItsDropInsInNameOrder) {
  const ScratchDir scratch;
  scratch.Write("main.toml", "a = 'main'\nb = 'main'\n");
  scratch.Write("conf.d/20-x.toml", "b = 'twenty'\n");
  scratch.Write("conf.d/10-x.toml", "b = 'ten'\nc.d = 'ten'\n");
  const auto config = Load(scratch);
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->Text("a"), "main");
  EXPECT_EQ(config->Text("b"), "twenty");
  EXPECT_EQ(config->Origin("c.d"), scratch / "conf.d/10-x.toml:2");
}

TEST(LoadConfig, IgnoresDropInsThatAreHiddenOrNotToml) {
  const ScratchDir scratch;
  scratch.Write("main.toml", "");
  scratch.Write("conf.d/.10-x.toml", "bogus = 1");
  scratch.Write("conf.d/README", "not toml");
  scratch.Write("conf.d/10-x.toml.bak", "bogus = 1");
  EXPECT_TRUE(Load(scratch));
}

TEST(LoadConfig, LetsTheEnvironmentWinOverFiles) {
  const ScratchDir scratch;
  scratch.Write("main.toml", "c.d = 'file'\n");
  const ScopedVariable variable("LODEKEY_TESTAPP_C_D", "environment=1");
  const auto config = Load(scratch);
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->Text("c.d"), "environment=1");
  EXPECT_EQ(config->Origin("c.d"), "environment LODEKEY_TESTAPP_C_D");
}

TEST(LoadConfig, RefusesAnUnknownVariableOfItsPrefix) {
  const ScratchDir scratch;
  scratch.Write("main.toml", "");
  const ScopedVariable variable("LODEKEY_TESTAPP_CD", "x");
  EXPECT_THAT(Load(scratch).error().text, HasSubstr("did you mean 'LODEKEY_TESTAPP_C_D'?"));
}

TEST(LoadConfig, NeedsTheFileOnlyWhenItWasNamed) {
  const ScratchDir scratch;
  const auto required = Load(scratch, true);
  ASSERT_FALSE(required);
  EXPECT_EQ(required.error().code, Code::kNotFound);
  EXPECT_EQ(required.error().Name(), "config-unreadable");
  EXPECT_THAT(required.error().text, HasSubstr(scratch / "main.toml"));
  scratch.Write("conf.d/x.toml", "a = 'drop-in'");
  const auto optional = Load(scratch, false);
  ASSERT_TRUE(optional);
  EXPECT_EQ(optional->Text("a"), "drop-in");
}

TEST(LoadConfig, RefusesFilesThatEverybodyMayWrite) {
  const ScratchDir scratch;
  const std::string path = scratch.Write("main.toml", "a = 'x'", 0646);
  const auto failed = Load(scratch);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().Name(), "config-unsafe");
  EXPECT_EQ(failed.error().code, Code::kDenied);
  EXPECT_THAT(failed.error().advice, HasSubstr("chmod o-w"));
  ::chmod(path.c_str(), 0664);
  EXPECT_TRUE(Load(scratch));
}

TEST(LoadConfig, RefusesDropInsThatEverybodyMayWrite) {
  const ScratchDir scratch;
  scratch.Write("main.toml", "");
  const std::string drop_in = scratch.Write("conf.d/x.toml", "a = 'x'", 0602);
  EXPECT_EQ(Load(scratch).error().Name(), "config-unsafe");
  ::chmod(drop_in.c_str(), 0600);
  ::chmod((scratch / "conf.d").c_str(), 0707);
  EXPECT_EQ(Load(scratch).error().Name(), "config-unsafe");
}

TEST(LoadConfig, RefusesFilesOfMoreThanAMebibyte) {
  const ScratchDir scratch;
  scratch.Write("main.toml", std::string((1 << 20) + 1, '#'));
  EXPECT_EQ(Load(scratch).error().Name(), "config-unreadable");
}

TEST(LoadConfig, RefusesADirectoryOfTooManyDropIns) {
  const ScratchDir scratch;
  scratch.Write("main.toml", "");
  for (int i = 0; i <= 64; ++i) scratch.Write("conf.d/" + std::to_string(i) + ".toml", "");
  EXPECT_THAT(Load(scratch).error().text, HasSubstr("more than 64 files"));
}

TEST(ReadConfig, KnowsNothingOfAFileThatItMayNotUse) {
  const ScratchDir scratch;
  const ConfigSources sources{.file = scratch.Write("main.toml", "a = 'x'", 0646)};
  const ConfigReading reading = ReadConfig(kSchema, sources);
  ASSERT_TRUE(reading.problem);
  EXPECT_EQ(reading.problem->Name(), "config-unsafe");
  EXPECT_FALSE(reading.incomplete_alone);
  EXPECT_FALSE(reading.config.Has("a"));
}

TEST(ReadConfig, TakesAFileThatThisUserMayNotReadForAbsentWhereThatIsAllowed) {
  const ScratchDir scratch;
  ConfigSources sources{.file = scratch.Write("main.toml", "a = 'x'", 0000)};
  ::chmod(scratch.path().c_str(), 0755);
  const int status = RunInChild([&] {
    if (!BecomeUnprivileged()) return kChildNotPermitted;
    EXPECT_EQ(ReadConfig(kSchema, sources).problem.value().Name(), "config-unreadable");
    sources.unreadable_is_absent = true;
    sources.command_line = {{"b", "flag"}};
    const ConfigReading reading = ReadConfig(kSchema, sources);
    if (reading.problem) return kChildFailed;
    EXPECT_EQ(reading.config.Text("a"), "default");
    EXPECT_EQ(reading.config.Text("b"), "flag");
    return testing::Test::HasFailure() ? kChildFailed : kChildPassed;
  });
  if (status == kChildNotPermitted) GTEST_SKIP() << "may not become another user";
  EXPECT_EQ(status, kChildPassed);
}

TEST(LoadConfig, NeedsNoFileAtAll) {
  const auto config = LoadConfig(kSchema, {.command_line = {{"a", "flag"}}});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->Text("a"), "flag");
}

}  // namespace
}  // namespace lodekey::platform
