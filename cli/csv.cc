#include "cli/csv.h"

#include <set>

#include <fmt/format.h>

#include "cli/json_watch.h"
#include "platform/escape.h"

namespace lodekey::cli {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

class Reader {
 public:
  Reader(std::string_view text, const CsvLimits& limits) : text_(text), limits_(limits) {
    if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
  }

  Result<CsvTable> Read() {
    CsvTable table;
    SkipEmptyLines();
    if (text_.empty()) return Malformed("there is no header");
    if (auto header = ReadRecord(); header) {
      table.header = *std::move(header);
    } else {
      return std::unexpected(std::move(header.error()));
    }
    if (auto good = CheckHeader(table.header); !good) return std::unexpected(good.error());
    for (SkipEmptyLines(); !text_.empty(); SkipEmptyLines()) {
      if (table.records.size() == limits_.records)
        return Malformed(fmt::format("more than {} records", limits_.records));
      auto record = ReadRecord();
      if (!record) return std::unexpected(std::move(record.error()));
      if (record->fields.size() != table.header.fields.size()) {
        return MalformedAt(record->line, 1,
                           fmt::format("{} fields, but the header has {}", record->fields.size(),
                                       table.header.fields.size()));
      }
      table.records.push_back(*std::move(record));
    }
    return table;
  }

 private:
  static std::unexpected<Error> MalformedAt(size_t line, size_t column, std::string_view text) {
    return Fail(Code::kInvalidArgument, fmt::format("{}:{}: {}", line, column, text),
                {.name = "csv-malformed",
                 .advice = "Write it as RFC 4180 has it: fields with commas or quotes in quotes, "
                           "and each quote within them twice."});
  }
  std::unexpected<Error> Malformed(std::string_view text) const {
    return MalformedAt(line_, column_, text);
  }

  char Take() {
    const char taken = text_.front();
    text_.remove_prefix(1);
    ++column_;
    if (taken == '\n') {
      ++line_;
      column_ = 1;
    }
    return taken;
  }

  // 0 where there is none.
  size_t LineEnd() const { return text_.starts_with("\r\n") ? 2 : text_.starts_with('\n') ? 1 : 0; }

  bool TakeLineEnd() {
    const size_t size = LineEnd();
    for (size_t i = 0; i < size; ++i) Take();
    return size != 0;
  }

  void SkipEmptyLines() {
    while (TakeLineEnd()) {
    }
  }

  Result<CsvRecord> ReadRecord() {
    CsvRecord record{.line = line_, .fields = {}};
    for (;;) {
      if (record.fields.size() == limits_.columns)
        return Malformed(fmt::format("more than {} fields", limits_.columns));
      const size_t line = line_;
      const size_t column = column_;
      auto field = text_.starts_with('"') ? ReadQuoted() : ReadPlain();
      if (!field) return std::unexpected(std::move(field.error()));
      if (!platform::IsPrintable(*field))
        return MalformedAt(line, column, "the field is no printable UTF-8 on one line");
      record.fields.push_back(*std::move(field));
      if (text_.empty() || TakeLineEnd()) return record;
      Take();  // the comma
    }
  }

  // Up to a comma, the line's end or the text's.
  Result<std::string> ReadPlain() {
    std::string field;
    while (!text_.empty() && text_.front() != ',' && LineEnd() == 0) {
      if (text_.front() == '"') return Malformed("a quote within a field without quotes");
      if (auto added = Add(field, Take()); !added) return std::unexpected(added.error());
    }
    return field;
  }

  Result<std::string> ReadQuoted() {
    const size_t line = line_;
    const size_t column = column_;
    std::string field;
    Take();
    for (;;) {
      if (text_.empty()) return MalformedAt(line, column, "the quote is never closed");
      const char taken = Take();
      if (taken == '"') {
        if (!text_.starts_with('"')) break;
        Take();
      }
      if (auto added = Add(field, taken); !added) return std::unexpected(added.error());
    }
    if (text_.empty() || text_.front() == ',' || LineEnd() != 0) return field;
    return Malformed("text behind the quote that ends the field");
  }

  Result<void> Add(std::string& field, char next) const {
    if (field.size() == limits_.field)
      return Malformed(fmt::format("a field of more than {} bytes", limits_.field));
    field += next;
    return {};
  }

  static Result<void> CheckHeader(const CsvRecord& header) {
    std::set<std::string_view> names;
    for (const std::string& name : header.fields) {
      if (name.empty()) return MalformedAt(header.line, 1, "a column of the header has no name");
      if (!names.insert(name).second)
        return MalformedAt(header.line, 1, fmt::format("column {} stands twice", Quoted(name)));
    }
    return {};
  }

  std::string_view text_;  // what is left
  const CsvLimits limits_;
  size_t line_ = 1;
  size_t column_ = 1;
};

}  // namespace

Result<CsvTable> ParseCsv(std::string_view text, const CsvLimits& limits) {
  return Reader(text, limits).Read();
}

}  // namespace lodekey::cli
