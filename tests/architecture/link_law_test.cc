// What the programs ask the dynamic loader for. The include law says that the issuer does not name
// the chip; this says that it is not linked to it either.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lodekey::test {
namespace {

using testing::HasSubstr;
using testing::Not;

// The NEEDED lines of the program's dynamic section; empty where it cannot be read.
std::string NeededBy(const std::string& program) {
  const char* directory = std::getenv("LODEKEY_BIN");
  if (directory == nullptr) {
    return "";
  }
  const std::string command = "readelf --dynamic --wide '" + std::string(directory) + "/" +
                              program + "' | grep -F '(NEEDED)'";
  const std::unique_ptr<FILE, int (*)(FILE*)> output(popen(command.c_str(), "r"), pclose);
  std::string text;
  char line[512];
  while (output && std::fgets(line, sizeof(line), output.get()) != nullptr) {
    text += line;
  }
  return text;
}

TEST(LinkLaw, IssuerIsNotLinkedToTheChip) {
  const std::string needed = NeededBy("lodekey-issuer");
  ASSERT_THAT(needed, HasSubstr("libc.so")) << "is lodekey-issuer built?";
  EXPECT_THAT(needed, Not(HasSubstr("libtss2-esys")));
  EXPECT_THAT(needed, Not(HasSubstr("libtss2-sys")));
  EXPECT_THAT(needed, Not(HasSubstr("libtss2-tcti")));
}

TEST(LinkLaw, AgentIsLinkedToTheChip) {
  // The counterpart: that the look-up would find it in the issuer.
  EXPECT_THAT(NeededBy("lodekeyd"), HasSubstr("libtss2-esys"));
}

}  // namespace
}  // namespace lodekey::test
