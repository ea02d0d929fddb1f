#include "cli/csv.h"

#include <gtest/gtest.h>

#include "tests/support/must.h"

namespace lodekey::cli {
namespace {

using test::Must;
using Fields = std::vector<std::string>;

std::vector<Fields> Records(std::string_view text) {
  std::vector<Fields> records;
  const CsvTable table = Must(ParseCsv(text));
  for (const CsvRecord& record : table.records) records.push_back(record.fields);
  return records;
}

// Where, and what is wrong there.
std::string Problem(std::string_view text, const CsvLimits& limits = {}) {
  const auto table = ParseCsv(text, limits);
  if (table) return "";
  EXPECT_EQ(table.error().Name(), "csv-malformed");
  EXPECT_FALSE(table.error().advice.empty());
  return table.error().text;
}

TEST(Csv, ReadsRecordsOfAsManyFieldsAsTheHeader) {
  const CsvTable table = Must(ParseCsv("a,b\n1,2\n,\n"));
  EXPECT_EQ(table.header.fields, (Fields{"a", "b"}));
  ASSERT_EQ(table.records.size(), 2U);
  EXPECT_EQ(table.records[0].fields, (Fields{"1", "2"}));
  EXPECT_EQ(table.records[0].line, 2U);
  EXPECT_EQ(table.records[1].fields, (Fields{"", ""}));
}

TEST(Csv, ReadsWhatStandsInQuotes) {
  EXPECT_EQ(Records("a,b\n\"x,y\",\"say \"\"hi\"\"\"\n\"\",z"),
            (std::vector<Fields>{{"x,y", "say \"hi\""}, {"", "z"}}));
}

TEST(Csv, TakesEitherLineEndAndAMarkAtTheBeginning) {
  EXPECT_EQ(Records("\xef\xbb\xbf"
                    "a,b\r\n1,2\r\n\r\n3,4"),
            (std::vector<Fields>{{"1", "2"}, {"3", "4"}}));
  EXPECT_EQ(Must(ParseCsv("\xef\xbb\xbf"
                          "a\n"))
                .header.fields,
            Fields{"a"});
  EXPECT_EQ(Records("\n\na\n\n1\n"), std::vector<Fields>{{"1"}});
}

TEST(Csv, SaysWhereWhatIsWrong) {
  EXPECT_EQ(Problem(""), "1:1: there is no header");
  EXPECT_EQ(Problem("a,b\n1\n"), "2:1: 1 fields, but the header has 2");
  EXPECT_EQ(Problem("a,b\n1,2\n1,2,3"), "3:1: 3 fields, but the header has 2");
  EXPECT_EQ(Problem("a\nx\"y\n"), "2:2: a quote within a field without quotes");
  EXPECT_EQ(Problem("a,b\n1,\"x\"y\n"), "2:6: text behind the quote that ends the field");
  EXPECT_EQ(Problem("a,b\n1,\"x\n2,3\n"), "2:3: the quote is never closed");
  EXPECT_EQ(Problem("a,b\n1,\xff\n"), "2:3: the field is no printable UTF-8 on one line");
  EXPECT_EQ(Problem("a\n\"x\ny\"\n"), "2:1: the field is no printable UTF-8 on one line");
  EXPECT_EQ(Problem("a\nx\ry\n"), "2:1: the field is no printable UTF-8 on one line");
  EXPECT_EQ(Problem("a,\n1,2"), "1:1: a column of the header has no name");
  EXPECT_EQ(Problem("a,b,a\n"), "1:1: column 'a' stands twice");
}

TEST(Csv, IsBounded) {
  const CsvLimits limits{.records = 2, .columns = 3, .field = 4};
  EXPECT_EQ(Problem("a\n1\n2\n", limits), "");
  EXPECT_EQ(Problem("a\n1\n2\n3\n", limits), "4:1: more than 2 records");
  EXPECT_EQ(Problem("a,b,c\n", limits), "");
  EXPECT_EQ(Problem("a,b,c,d\n", limits), "1:7: more than 3 fields");
  EXPECT_EQ(Problem("a\n1234\n", limits), "");
  EXPECT_EQ(Problem("a\n12345\n", limits), "2:6: a field of more than 4 bytes");
  EXPECT_EQ(Problem("a\n\"12345\"\n", limits), "2:7: a field of more than 4 bytes");
}

}  // namespace
}  // namespace lodekey::cli
