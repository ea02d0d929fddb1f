#include "cli/command_line.h"

#include <cstdlib>
#include <sstream>
#include <utility>

#include <gtest/gtest.h>

#include "tests/cli/fakes.h"
#include "tests/platform/scratch.h"

namespace lodekey::cli {
namespace {

using platform::ScopedVariable;
using platform::ScratchDir;

TEST(CommandLine, EndsWithTwoWhenItIsWrong) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"frobnicate"},
      {"status", "--frobnicate"},
      {"status", "extra"},
      {"node"},
      {"node", "frobnicate"},
      {"node", "show"},
      {"node", "allow"},
      {"node", "show", "a", "b"},
      {"-o", "xml", "status"},
      {"-o"},
      {"enroll", "--timeout", "soon"},
      {"status", "--wait", "-1s"},
      {"status", "status", "attest"},
      {"audit", "verify", "file", "--key", "00"},
      {"audit", "verify", "file", "--key", std::string(64, 'a'), "--head", "1"},
      {"bundle", "export", "--format", "der"},
      {"config", "show", "--set", "no-equals-sign"},
  };
  for (const auto& arguments : wrong) {
    CommandRig rig;
    std::string line;
    for (const std::string& argument : arguments) line += " " + argument;
    EXPECT_EQ(rig.Run(arguments), 2) << line;
    EXPECT_EQ(rig.out(), "") << line;
    EXPECT_TRUE(rig.err().starts_with("lodekey: ")) << line << rig.err();
    EXPECT_NE(rig.err().find("\n  "), std::string::npos) << line << ": no advice";
  }
}

TEST(CommandLine, SaysWhatIsWrongAsJsonWhenAsked) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"node", "show", "-o", "json"},
                                             {"-ojson", "node", "show"},
                                             {"--output=json", "node", "show"}}) {
    CommandRig rig;
    EXPECT_EQ(rig.Run(arguments), 2);
    EXPECT_EQ(rig.ErrorJson()["schema"], 1);
    EXPECT_EQ(rig.ErrorJson()["code"], "usage");
    EXPECT_EQ(rig.ErrorJson()["advice"], "See: lodekey node show --help");
  }
}

TEST(CommandLine, NamesTheVerbThatItDoesNotKnow) {
  const auto text_of = [](const std::vector<std::string>& arguments) {
    CommandRig rig;
    EXPECT_EQ(rig.Run(arguments), 2);
    return rig.err();
  };
  EXPECT_EQ(text_of({"frobnicate"}),
            "lodekey: there is no verb 'frobnicate'. [usage]\n  See: lodekey --help\n");
  EXPECT_EQ(text_of({"nod", "list"}),
            "lodekey: there is no verb 'nod' (did you mean 'node'?). [usage]\n"
            "  See: lodekey --help\n");
  EXPECT_EQ(text_of({"node", "sho", "abc"}),
            "lodekey: there is no verb 'sho' (did you mean 'show'?). [usage]\n"
            "  See: lodekey node --help\n");
  EXPECT_EQ(text_of({"node"}), "lodekey: a verb is missing. [usage]\n  See: lodekey node --help\n");
}

TEST(CommandLine, PrintsHelp) {
  CommandRig rig;
  EXPECT_EQ(rig.Run({"--help"}), 0);
  EXPECT_NE(rig.out().find("doctor"), std::string::npos);
  EXPECT_EQ(rig.Run({"node", "approve-pcrs", "--help"}), 0);
  EXPECT_NE(rig.out().find("--replace"), std::string::npos);
  for (const char* option : {"--config", "--set", "--output", "--socket", "--admin-socket"}) {
    EXPECT_NE(rig.out().find(option), std::string::npos) << option;
  }
  EXPECT_EQ(rig.Run({"bundle", "export", "--help"}), 0);
  EXPECT_NE(rig.out().find("--admin "), std::string::npos) << rig.out();
}

TEST(CommandLine, NamesAnOptionThatLacksItsValue) {
  CommandRig rig;
  EXPECT_EQ(rig.Run({"enroll", "--timeout"}), 2);
  EXPECT_EQ(rig.err(),
            "lodekey: --timeout needs a value, DURATION. [usage]\n  See: lodekey enroll --help\n");
}

TEST(CommandLine, TakesGlobalOptionsBeforeAndAfterTheVerb) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"--socket", "/x/agent.sock", "-o", "json", "status"},
           {"status", "--socket", "/x/agent.sock", "-o", "json"}}) {
    CommandRig rig;
    rig.agent.status = EnrolledStatus();
    EXPECT_EQ(rig.Run(arguments), 0);
    EXPECT_EQ(rig.agent.socket, "/x/agent.sock");
    EXPECT_EQ(rig.Json()["schema"], 1);
  }
  CommandRig rig;
  rig.issuer.node = admin::v1::Node();
  EXPECT_EQ(rig.Run({"node", "show", "--admin-socket", "/x/admin.sock", "aaaaaaaa"}), 0);
  EXPECT_EQ(rig.issuer.socket, "/x/admin.sock");
  EXPECT_EQ(rig.issuer.asked, "aaaaaaaa");
}

TEST(CommandLine, TakesOneSettingForEachSet) {
  CommandRig rig;
  rig.issuer.node = admin::v1::Node();
  EXPECT_EQ(
      rig.Run({"node", "show", "--set", "tpm.tcti=a", "--set", "log_level=debug", "aaaaaaaa"}), 0);
  EXPECT_EQ(rig.issuer.asked, "aaaaaaaa");
}

TEST(Sockets, ComeFromTheEnvironment) {
  const ScopedVariable agent("LODEKEY_SOCKET", "/env/agent.sock");
  const ScopedVariable admin("LODEKEY_ADMIN_SOCKET", "/env/admin.sock");
  CommandRig rig;
  rig.agent.status = EnrolledStatus();
  rig.issuer.node = admin::v1::Node();
  EXPECT_EQ(rig.Run({"status"}), 0);
  EXPECT_EQ(rig.agent.socket, "/env/agent.sock");
  EXPECT_EQ(rig.Run({"node", "show", "aaaaaaaa"}), 0);
  EXPECT_EQ(rig.issuer.socket, "/env/admin.sock");
  EXPECT_EQ(rig.Run({"node", "show", "aaaaaaaa", "--admin-socket", "/flag/admin.sock"}), 0);
  EXPECT_EQ(rig.issuer.socket, "/flag/admin.sock");
}

TEST(Sockets, ComeFromTheConfigurationAlsoWhenItIsIncomplete) {
  const ScratchDir scratch;
  const std::string path = scratch.Write("agent.toml", "[agent]\nruntime_dir = \"/other\"\n");
  CommandRig rig;
  rig.agent.status = EnrolledStatus();
  EXPECT_EQ(rig.Run({"status", "-c", path}), 0);
  EXPECT_EQ(rig.agent.socket, "/other/agent.sock");
}

TEST(Sockets, AreTheUsualOnesWithoutAConfiguration) {
  CommandRig rig;
  rig.agent.status = EnrolledStatus();
  rig.issuer.node = admin::v1::Node();
  EXPECT_EQ(rig.Run({"status"}), 0);
  EXPECT_EQ(rig.agent.socket, "/run/lodekey/agent.sock");
  EXPECT_EQ(rig.Run({"node", "show", "aaaaaaaa"}), 0);
  EXPECT_EQ(rig.issuer.socket, "/run/lodekey-issuer/admin.sock");
}

TEST(Sockets, AreNotGuessedWhenTheConfigurationIsWrong) {
  const ScratchDir scratch;
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"-c", scratch / "absent.toml"}, "config-unreadable"},
      {{"-c", scratch.path()}, "config-unreadable"},
      {{"--set", "foo"}, "config-invalid"},
      {{"--set", "foo=bar"}, "config-invalid"},
      {{"-c", scratch.Write("unknown.toml", "isuer = \"i\"\n")}, "config-invalid"},
      {{"-c", scratch.Write("syntax.toml", "issuer = \n")}, "config-invalid"},
      {{"-c", scratch.Write("unsafe.toml", "", 0666)}, "config-unsafe"},
  };
  for (const auto& [options, name] : wrong) {
    for (const char* verb : {"status", "enroll", "attest", "unenroll", "explain"}) {
      CommandRig rig;
      rig.agent.status = EnrolledStatus();
      std::vector<std::string> arguments{verb, "-o", "json"};
      arguments.insert(arguments.end(), options.begin(), options.end());
      EXPECT_EQ(rig.Run(arguments), 2) << verb << " " << options.back();
      EXPECT_EQ(rig.ErrorJson()["code"], name) << verb << " " << options.back();
      EXPECT_EQ(rig.agent.socket, "") << "nobody was asked";
    }
  }
}

TEST(Sockets, OfAWrongConfigurationAreNotWaitedFor) {
  CommandRig rig;
  EXPECT_EQ(rig.Run({"status", "--wait", "10m", "-c", "/nonexistent/agent.toml"}), 2);
  EXPECT_EQ(rig.now, Time(Duration(kNowMs)));
}

TEST(Version, IsPrinted) {
  CommandRig rig;
  EXPECT_EQ(rig.Run({"version"}), 0);
  EXPECT_EQ(rig.out(), "lodekey " LODEKEY_VERSION "\n");
  EXPECT_EQ(rig.Run({"version", "-o", "json"}), 0);
  EXPECT_EQ(rig.Json(), nlohmann::json({{"schema", 1}, {"version", LODEKEY_VERSION}}));
  EXPECT_EQ(rig.Run({"--version"}), 0);
  EXPECT_EQ(rig.out(), "lodekey " LODEKEY_VERSION "\n");
}

TEST(Output, ThatCannotBeWrittenIsAFailure) {
  std::ostringstream err;
  std::ostream broken(nullptr);  // takes nothing
  Surroundings surroundings = RealSurroundings(broken, err);
  EXPECT_EQ(RunCommandLine({"version"}, surroundings), 1);
  EXPECT_NE(err.str().find("[output-failed]"), std::string::npos);
}

class ConfigShow : public testing::Test {
 protected:
  std::string Complete() {
    return scratch_.Write("agent.toml",
                          "trust_domain = \"fleet.example\"\nissuer = \"issuer.example\"\n"
                          "issuer_pins = [\"sha256:" +
                              std::string(64, 'a') + "\"]\n");
  }
  // What the table has beside a key.
  std::string ShownOf(const std::string& key) const {
    std::istringstream lines(rig_.out());
    for (std::string line; std::getline(lines, line);) {
      std::istringstream cells(line);
      std::string name, value;
      if (cells >> name >> value && name == key) return value;
    }
    return "";
  }
  ScratchDir scratch_;
  CommandRig rig_;
};

TEST_F(ConfigShow, TellsWhereEachSettingComesFrom) {
  const std::string path = Complete();
  EXPECT_EQ(rig_.Run({"config", "show", "--origin", "-c", path, "--set", "retry.first=2s"}), 0);
  EXPECT_NE(rig_.out().find(path + ":2"), std::string::npos);
  EXPECT_NE(rig_.out().find("command line --set retry.first"), std::string::npos);
  EXPECT_EQ(rig_.Run({"config", "show", "-c", path, "-o", "json"}), 0);
  EXPECT_EQ(rig_.Json()["valid"], true);
  EXPECT_EQ(rig_.Json()["settings"][1]["key"], "issuer");
  EXPECT_EQ(rig_.Json()["settings"][1]["value"], "issuer.example");
  EXPECT_EQ(rig_.Json()["settings"][1]["origin"], path + ":2");
  EXPECT_EQ(rig_.Json()["settings"][2]["value"],
            nlohmann::json::array({"sha256:" + std::string(64, 'a')}));
}

TEST_F(ConfigShow, PrintsWhatIsThereAndWhatIsMissing) {
  const std::string path = scratch_.Write("agent.toml", "issuer = \"issuer.example\"\n");
  EXPECT_EQ(rig_.Run({"config", "show", "-c", path}), 2);
  EXPECT_EQ(ShownOf("trust_domain"), "(missing)") << rig_.out();
  EXPECT_NE(rig_.err().find("'trust_domain' is required"), std::string::npos);
  EXPECT_EQ(rig_.Run({"config", "show", "-c", path, "-o", "json"}), 2);
  EXPECT_EQ(rig_.Json()["valid"], false);
  EXPECT_TRUE(rig_.Json()["settings"][0]["value"].is_null());
  EXPECT_EQ(rig_.Json()["problem"]["code"], "config-invalid");
}

TEST_F(ConfigShow, SaysWhatIsWrongWithAnUnknownKey) {
  const std::string path = scratch_.Write("agent.toml", "isuer = \"issuer.example\"\n");
  EXPECT_EQ(rig_.Run({"config", "show", "-c", path}), 2);
  EXPECT_NE(rig_.err().find("(did you mean 'issuer'?)"), std::string::npos);
  EXPECT_NE(rig_.out().find("/run/lodekey/agent.sock"), std::string::npos) << rig_.out();
}

TEST_F(ConfigShow, ShowsWhatIsGoodBesideABadValue) {
  const std::string path =
      scratch_.Write("agent.toml", "issuer = \"issuer.example\"\nlog_level = \"loud\"\n");
  EXPECT_EQ(rig_.Run({"config", "show", "-c", path, "--origin"}), 2);
  EXPECT_NE(rig_.out().find("issuer.example"), std::string::npos) << rig_.out();
  EXPECT_NE(rig_.out().find("(wrong)"), std::string::npos) << rig_.out();
  EXPECT_NE(rig_.out().find(path + ":2"), std::string::npos) << rig_.out();
  EXPECT_EQ(rig_.Run({"config", "show", "-c", path, "-o", "json"}), 2);
  EXPECT_EQ(rig_.Json()["settings"][1]["value"], "issuer.example");
  EXPECT_TRUE(rig_.Json()["settings"][3]["value"].is_null());
}

TEST_F(ConfigShow, SaysNothingOfMissingSettingsBehindASyntaxError) {
  const std::string path = scratch_.Write("agent.toml", "issuer = \n");
  EXPECT_EQ(rig_.Run({"config", "show", "-c", path, "--set", "log_level=debug"}), 2);
  EXPECT_EQ(rig_.err().find("required"), std::string::npos) << rig_.err();
  EXPECT_NE(rig_.out().find("debug"), std::string::npos) << rig_.out();
  EXPECT_EQ(ShownOf("issuer"), "(unknown)") << rig_.out();
  EXPECT_EQ(rig_.out().find("(missing)"), std::string::npos) << rig_.out();
}

TEST_F(ConfigShow, PrintsNoTableOfAFileThatIsNotThere) {
  EXPECT_EQ(rig_.Run({"config", "show", "-c", scratch_ / "absent"}), 2);
  EXPECT_EQ(rig_.out(), "");
  EXPECT_NE(rig_.err().find("[config-unreadable]"), std::string::npos) << rig_.err();
}

TEST_F(ConfigShow, DoesNotTakeTheSocketVariableForASetting) {
  const ScopedVariable variable("LODEKEY_SOCKET", "/env/agent.sock");
  EXPECT_EQ(rig_.Run({"config", "show", "-c", Complete()}), 0) << rig_.err();
}

}  // namespace
}  // namespace lodekey::cli
