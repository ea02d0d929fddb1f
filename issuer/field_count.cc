#include "issuer/field_count.h"

#include <limits>
#include <vector>

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include "base/reader.h"

namespace lodekey::issuer {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// Protocol Buffers, Encoding: a tag is a field's number and, in the three low bits, its wire type.
enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kSized = 2, kFixed32 = 5 };

std::unexpected<Error> Refuse(std::string text, std::string name) {
  return Fail(Code::kInvalidArgument, std::move(text), {.name = std::move(name)});
}

Result<uint64_t> ReadVarint(Reader& reader) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    ASSIGN_OR_RETURN(const uint8_t byte, reader.U8(), "varint");
    value |= uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
  return Refuse("a varint has more than ten bytes", "request-malformed");
}

class Walk {
 public:
  Walk(ByteView message, const Descriptor& type, size_t max_fields)
      : left_(max_fields), max_fields_(max_fields) {
    levels_.reserve(kMaxMessageDepth);
    levels_.push_back({Reader(message, "the request"), &type});
  }

  Result<void> Run() {
    while (!levels_.empty()) {
      if (levels_.back().reader.AtEnd()) {
        levels_.pop_back();
      } else {
        RETURN_IF_ERROR(Field(), "field");
      }
    }
    return {};
  }

 private:
  struct Level {
    Reader reader;
    const Descriptor* type;
  };

  Result<void> Field() {
    Reader& reader = levels_.back().reader;
    ASSIGN_OR_RETURN(const uint64_t tag, ReadVarint(reader), "tag");
    RETURN_IF_ERROR(Count(1), "count");
    if (tag >> 3 == 0 || tag > std::numeric_limits<uint32_t>::max())
      return Refuse("a field has no number", "request-malformed");
    switch (static_cast<WireType>(tag & 7)) {
      case WireType::kVarint: return Dropped(ReadVarint(reader));
      case WireType::kFixed64: return Dropped(reader.Take(8));
      case WireType::kFixed32: return Dropped(reader.Take(4));
      case WireType::kSized: return Sized(static_cast<int>(tag >> 3));
    }
    return Refuse("a field has a wire type that is not used", "request-malformed");
  }

  template <class T>
  static Result<void> Dropped(Result<T> read) {
    if (!read) return std::unexpected(std::move(read.error()));
    return {};
  }

  Result<void> Sized(int number) {
    Level& level = levels_.back();
    ASSIGN_OR_RETURN(const uint64_t size, ReadVarint(level.reader), "length");
    ASSIGN_OR_RETURN(const ByteView content, level.reader.Take(size), "content");
    const FieldDescriptor* const field = level.type->FindFieldByNumber(number);
    if (field == nullptr) return {};  // kept by protobuf as one string
    if (field->is_packable()) return Count(content.size());
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return {};
    if (levels_.size() == kMaxMessageDepth) {
      return Refuse(fmt::format("more than {} messages lie within each other", kMaxMessageDepth),
                    "request-too-deep");
    }
    levels_.push_back({Reader(content, "a message of the request"), field->message_type()});
    return {};
  }

  Result<void> Count(size_t fields) {
    if (fields > left_) {
      return Refuse(fmt::format("the request has more than {} fields", max_fields_),
                    "request-too-many-fields");
    }
    left_ -= fields;
    return {};
  }

  std::vector<Level> levels_;  // the message that is being walked, innermost last
  size_t left_;
  size_t max_fields_;
};

}  // namespace

Result<void> CheckFieldCount(ByteView message, const Descriptor& type, size_t max_fields) {
  Result<void> walked = Walk(message, type, max_fields).Run();
  if (!walked && walked.error().name.empty()) walked.error().name = "request-malformed";
  return walked;
}

}  // namespace lodekey::issuer
