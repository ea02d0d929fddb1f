#include "tests/architecture/include_law.h"

#include <cstdlib>
#include <regex>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lodekey::test {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

const SourceTree& RealTree() {
  static const SourceTree tree = [] {
    const char* root = std::getenv("LODEKEY_SOURCE");
    return root == nullptr ? SourceTree() : ReadSourceTree(root);
  }();
  return tree;
}

// A tree in which `file` contains `text`, beside a header of every part.
SourceTree TreeWith(const std::string& file, const std::string& text) {
  SourceTree tree;
  for (const char* header :
       {"base/result.h", "crypto/digest.h", "platform/file.h", "tpm/public_area.h", "tpm/device.h",
        "attest/evidence.h", "attest/collect.h", "attest/codec.h", "agent/run.h", "issuer/store.h",
        "tests/support/swtpm.h"}) {
    tree[header] = "#pragma once\n";
  }
  tree[file] = text;
  return tree;
}

std::string Verdict(const std::string& file, const std::string& text) {
  return Describe(Judge(TreeWith(file, text)));
}

TEST(FolderLaw, IsKeptByThisTree) {
  ASSERT_THAT(RealTree(), testing::Contains(testing::Key("base/result.h")))
      << "LODEKEY_SOURCE does not lead to the source tree";
  EXPECT_EQ(Describe(Judge(RealTree())), "");
}

TEST(FolderLaw, FindsWhatTheIssuerTakesFromTheChip) {
  EXPECT_EQ(Verdict("issuer/front.cc", "#include <string>\n#include \"tpm/device.h\"\n"),
            "issuer/front.cc:2: issuer may not use tpm_device (\"tpm/device.h\")\n");
}

TEST(FolderLaw, LetsTheIssuerUseTheWireFormatOfTheSameFolder) {
  EXPECT_EQ(Verdict("issuer/front.cc", "#include \"tpm/public_area.h\"\n"), "");
}

// A file, and what it may not include.
struct Forbidden {
  const char* file;
  const char* include;
};

constexpr Forbidden kForbidden[] = {
    {"base/x.cc", "#include \"crypto/digest.h\""},
    {"base/x.cc", "#include <unistd.h>"},
    {"base/x.cc", "#include <openssl/evp.h>"},
    {"crypto/x.cc", "#include \"tpm/public_area.h\""},
    {"crypto/x.cc", "#include \"platform/file.h\""},
    {"crypto/x.cc", "#include <grpcpp/grpcpp.h>"},
    {"platform/x.cc", "#include \"crypto/digest.h\""},
    {"platform/x.cc", "#include <sodium.h>"},
    {"tpm/pcr.cc", "#include \"tpm/device.h\""},
    {"tpm/pcr.cc", "#include <tss2/tss2_esys.h>"},
    {"tpm/pcr.cc", "#include <openssl/evp.h>"},
    {"tpm/device.cc", "#include \"platform/file.h\""},
    {"tpm/device.cc", "#include \"attest/evidence.h\""},
    {"attest/x.cc", "#include \"tpm/device.h\""},
    {"attest/x.cc", "#include \"attest/collect.h\""},
    {"attest/x.cc", "#include \"attest/codec.h\""},
    {"attest/x.cc", "#include <fstream>"},
    {"attest/x.cc", "#include <chrono>"},
    {"attest/x.cc", "#include <sys/socket.h>"},
    {"attest/collect.cc", "#include \"agent/run.h\""},
    {"attest/codec.cc", "#include \"tpm/device.h\""},
    {"attest/codec.cc", "#include \"lodekey/v1/node.grpc.pb.h\""},
    {"agent/x.cc", "#include \"issuer/store.h\""},
    {"agent/x.cc", "#include <sqlite3.h>"},
    {"issuer/x.cc", "#include \"agent/run.h\""},
    {"issuer/x.cc", "#include \"attest/collect.h\""},
    {"issuer/x.cc", "#include <tss2/tss2_esys.h>"},
    {"issuer/x.cc", "#include <tss2/tss2_tctildr.h>"},
    {"cli/x.cc", "#include \"agent/run.h\""},
    {"cli/x.cc", "#include \"issuer/store.h\""},
    {"agent/x.cc", "#include \"tests/support/swtpm.h\""},
    {"cli/x.cc", "#include <gtest/gtest.h>"},
};

TEST(FolderLaw, ReportsEveryForbiddenIncludeWithItsLine) {
  for (const auto& [file, include] : kForbidden) {
    SCOPED_TRACE(std::string(file) + ": " + include);
    const auto violations = Judge(TreeWith(file, include));
    ASSERT_THAT(violations, SizeIs(1));
    EXPECT_EQ(violations[0].file, file);
    EXPECT_EQ(violations[0].line, 1u);
  }
}

TEST(FolderLaw, RefusesIncludesThatNobodyKnowsEvenInTests) {
  for (const char* include :
       {"#include <boost/asio.hpp>",  // whose is it?
        "#include <base/result.h>",   // ours is quoted
        "#include \"result.h\"",      // and named from the root
        "#include \"../base/result.h\"", "#include \"base/absent.h\"", "#include LODEKEY_HEADER"}) {
    EXPECT_THAT(Judge(TreeWith("tests/base/x_test.cc", include)), SizeIs(1)) << include;
  }
}

TEST(FolderLaw, ReadsUnusualSpellingsOfAnInclude) {
  EXPECT_THAT(Judge(TreeWith("base/x.cc", "  #  include\t\"crypto/digest.h\"  // why not\n")),
              SizeIs(1));
  EXPECT_THAT(Judge(TreeWith("base/x.cc", "#include<openssl/evp.h>\n")), SizeIs(1));
}

TEST(FolderLaw, DoesNotTakeOtherLinesForIncludes) {
  EXPECT_EQ(Verdict("base/x.cc", "// #include <openssl/evp.h>\nint include;\n#define A 1\n"), "");
}

// A file that may not be where it is, and why.
struct Misplaced {
  const char* file;
  const char* reason;
};

constexpr Misplaced kMisplaced[] = {
    {"util/strings.h", "does not know the folder 'util'"},
    {"stray.cc", "allows no code here"},
    {"docs/sample.cc", "allows no code here"},
    {"tests/misc/x_test.cc", "allows no code here"},
    {"proto/node.pb.cc", "proto holds .proto files only"},
    {"base/x.hpp", "code is in .h and .cc files"},
    {"crypto/notes.txt", "'crypto' holds code only"},
    {"issuer/standing.rego", "'issuer' holds code only"},
    {"issuer/policy/notes.txt", "'issuer' holds code only"},
    {"crypto/digest.rs", "'crypto' holds code only"},
    {"issuer/regorus/notes.txt", "'issuer' holds code only"},
};

TEST(FolderLaw, ReportsFilesThatAreOutOfPlace) {
  for (const auto& [file, reason] : kMisplaced) {
    EXPECT_THAT(Verdict(file, ""), HasSubstr(reason)) << file;
  }
}

TEST(FolderLaw, AcceptsWhatEachPartIsFor) {
  EXPECT_EQ(Verdict("tpm/device.cc", "#include <tss2/tss2_esys.h>\n#include \"tpm/device.h\"\n"),
            "");
  EXPECT_EQ(Verdict("attest/codec.cc", "#include \"lodekey/v1/node.pb.h\"\n"), "");
  EXPECT_EQ(Verdict("agent/front.cc", "#include \"lodekey/v1/node.grpc.pb.h\"\n"), "");
  EXPECT_EQ(Verdict("tests/agent/x_test.cc", "#include \"issuer/store.h\"\n"), "");
  EXPECT_EQ(Verdict("issuer/regorus/src/policy.rs", ""), "");
  EXPECT_EQ(Verdict("README.md", ""), "");
}

// The law tells the parts of a folder apart by file name, the build by target. They must agree, or
// a file could keep the law and be linked where it may not be.
TEST(FolderLaw, DividesSharedFoldersAsTheBuildDoes) {
  const char* source_directory = std::getenv("LODEKEY_SOURCE");
  ASSERT_NE(source_directory, nullptr);
  const std::string root = source_directory;
  const std::regex library(R"(lodekey_library\(\s*NAME\s+(\w+)\s+SRCS([^)]*)\))");
  const std::regex source(R"(\b\w+\.cc\b)");
  size_t sources = 0;
  for (const std::string folder : {"tpm", "attest"}) {
    const std::string text = ReadTextFile(root + "/" + folder + "/CMakeLists.txt");
    for (std::sregex_iterator call(text.begin(), text.end(), library), end; call != end; ++call) {
      const std::string list = (*call)[2];
      for (std::sregex_iterator file(list.begin(), list.end(), source); file != end; ++file) {
        EXPECT_EQ(PartOf(folder + "/" + file->str()), (*call)[1].str()) << file->str();
        ++sources;
      }
    }
  }
  EXPECT_GT(sources, 0u);
}

}  // namespace
}  // namespace lodekey::test
