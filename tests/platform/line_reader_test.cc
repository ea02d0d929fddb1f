#include "platform/line_reader.h"

#include <gtest/gtest.h>

#include "platform/file.h"
#include "tests/platform/scratch.h"

namespace lodekey::platform {
namespace {

class LineReaderTest : public testing::Test {
 protected:
  std::vector<std::string> Read(const std::string& content, size_t max_line = 1 << 20) {
    EXPECT_TRUE(WriteFileAtomically(path_, AsBytes(content), 0600));
    const auto fd = OpenFile(path_);
    EXPECT_TRUE(fd);
    LineReader reader(fd->get(), path_, max_line);
    std::vector<std::string> lines;
    std::string line;
    for (;;) {
      const auto more = reader.Next(line);
      EXPECT_TRUE(more);
      if (!more || !*more) break;
      lines.push_back(line);
    }
    torn_ = reader.torn();
    return lines;
  }

  ScratchDir scratch_;
  std::string path_ = scratch_ / "file";
  bool torn_ = false;
};

using Lines = std::vector<std::string>;

TEST_F(LineReaderTest, GivesEachLineWithoutItsEnd) {
  EXPECT_EQ(Read(""), Lines());
  EXPECT_EQ(Read("a\n\nb\n"), (Lines{"a", "", "b"}));
  EXPECT_FALSE(torn_);
}

TEST_F(LineReaderTest, SaysThatTheLastLineHasNoEnd) {
  EXPECT_EQ(Read("a\nb"), (Lines{"a", "b"}));
  EXPECT_TRUE(torn_);
}

TEST_F(LineReaderTest, PutsLinesTogetherThatAreReadInPieces) {
  const std::string long_line(200'000, 'x');
  EXPECT_EQ(Read("a\n" + long_line + "\nb\n"), (Lines{"a", long_line, "b"}));
}

TEST_F(LineReaderTest, NeverHoldsMoreThanALineAndAPiece) {
  for (const std::string& part : Read(std::string(1 << 20, 'x') + "\n", 1000)) {
    EXPECT_LE(part.size(), 1000U + (1U << 16));
  }
}

}  // namespace
}  // namespace lodekey::platform
