// The list of attacks and the suite are compared, so that no row is forgotten and none is invented.
#include <algorithm>
#include <filesystem>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/attest/shared_data.h"

namespace lodekey::test {
namespace {

namespace fs = std::filesystem;

// The numbers that `pattern` finds as its first group.
std::set<int> Numbers(const Bytes& bytes, const std::regex& pattern) {
  const std::string text(AsText(bytes));
  std::set<int> numbers;
  for (std::sregex_iterator found(text.begin(), text.end(), pattern), end; found != end; ++found) {
    numbers.insert(std::stoi(found->str(1)));
  }
  return numbers;
}

// The rows that this version of lodekey answers: not yet those of the event log, of IMA and of
// signed policy.
bool IsAnswered(int number) {
  return number <= 53 || (number >= 117 && number <= 120) || (number >= 122 && number <= 124);
}

// The rows that have tests: registered by name, A24 or A24/variant, or a test of a suite of
// attacks whose name begins with the number.
std::set<int> TestedRows() {
  static const std::regex kRegistered(R"re("A([0-9]+)["/])re");
  static const std::regex kNamed(R"re(TEST(?:_F|_P)?\(\w*Attack\w*,\s*A([0-9]+)(?![0-9]))re");
  std::set<int> rows;
  for (const auto& entry : fs::recursive_directory_iterator(SourceTree() / "tests")) {
    const fs::path& path = entry.path();
    const bool test = entry.is_regular_file() && path.extension() == ".cc";
    const auto text = test ? ReadIfThere(path) : std::nullopt;
    if (!text) continue;
    rows.merge(Numbers(*text, kRegistered));
    rows.merge(Numbers(*text, kNamed));
  }
  return rows;
}

TEST(AttackList, HasATestForEachRow) {
  const auto list = ReadIfThere(SharedData() / "attacks.md");
  if (!list) GTEST_SKIP() << "the list of attacks is not here";
  const std::set<int> listed = Numbers(*list, std::regex(R"re(- A([0-9]+): )re"));
  ASSERT_EQ(listed.size(), 124U);

  const std::set<int> tested = TestedRows();
  std::set<int> missing;
  std::ranges::copy_if(listed, std::inserter(missing, missing.end()),
                       [&](int row) { return IsAnswered(row) && !tested.contains(row); });
  EXPECT_THAT(missing, testing::IsEmpty());
  std::set<int> invented;
  std::ranges::set_difference(tested, listed, std::inserter(invented, invented.end()));
  EXPECT_THAT(invented, testing::IsEmpty());
}

}  // namespace
}  // namespace lodekey::test
