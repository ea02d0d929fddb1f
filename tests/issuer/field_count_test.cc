#include "issuer/field_count.h"

#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include "base/writer.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace lodekey::issuer {
namespace {

namespace node = lodekey::node::v1;
namespace pb = google::protobuf;

constexpr size_t kMany = 1'000'000;

// "counted", or the name of the error.
template <class Message>
std::string Counted(std::string_view bytes, size_t max_fields = kMany) {
  const auto counted = CheckFieldCount(AsBytes(bytes), *Message::descriptor(), max_fields);
  if (counted) return "counted";
  EXPECT_EQ(counted.error().code, Code::kInvalidArgument);
  return std::string(counted.error().Name());
}

// Of a message that is well-formed: how many fields are just enough.
template <class Message>
size_t FieldsOf(const Message& message) {
  const std::string bytes = message.SerializeAsString();
  size_t fields = 0;
  while (Counted<Message>(bytes, fields) == "request-too-many-fields") ++fields;
  EXPECT_EQ(Counted<Message>(bytes, fields), "counted");
  return fields;
}

TEST(FieldCount, CountsTheFieldsOfMessagesWithinMessages) {
  EXPECT_EQ(FieldsOf(node::AttestRequest()), 0U);
  node::AttestRequest request;
  request.set_nonce("nonce");
  request.mutable_evidence()->set_quote("quote");
  EXPECT_EQ(FieldsOf(request), 3U);
  auto* pcrs = request.mutable_evidence()->mutable_pcrs();
  pcrs->set_bank("sha256");
  for (uint32_t pcr = 1; pcr <= 24; ++pcr) {
    pcrs->add_values()->set_pcr(pcr);
    pcrs->mutable_values()->rbegin()->set_value("value");
  }
  EXPECT_EQ(FieldsOf(request), 5U + 24 * 3);
}

TEST(FieldCount, CountsEmptyMessagesThatTakeTwoBytesEach) {
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += std::string("\x0a\x00", 2);
  EXPECT_EQ(Counted<node::StartEnrolmentRequest>(bytes, 1000), "counted");
  EXPECT_EQ(Counted<node::StartEnrolmentRequest>(bytes, 999), "request-too-many-fields");
}

TEST(FieldCount, CountsFieldsThatTheMessageDoesNotHave) {
  const std::string unknown("\xf8\x7f\x01\xfa\x7f\x02\x0a\x00\xfd\x7f\x00\x00\x00\x00", 14);
  EXPECT_EQ(Counted<node::AttestRequest>(unknown, 3), "counted");
  EXPECT_EQ(Counted<node::AttestRequest>(unknown, 2), "request-too-many-fields");
}

TEST(FieldCount, DoesNotLookIntoBytes) {
  node::AttestRequest request;
  request.set_nonce(std::string(1000, '\x0a'));
  EXPECT_EQ(FieldsOf(request), 1U);
}

TEST(FieldCount, CountsEveryByteOfAPackedField) {
  pb::SourceCodeInfo::Location location;
  for (int i = 0; i < 100; ++i) location.add_path(i);
  EXPECT_EQ(FieldsOf(location), 101U);
}

TEST(FieldCount, EndsAtTheDeepestLevel) {
  const auto nested = [](size_t levels) {
    pb::DescriptorProto message;
    pb::DescriptorProto* innermost = &message;
    for (size_t level = 1; level < levels; ++level) innermost = innermost->add_nested_type();
    return Counted<pb::DescriptorProto>(message.SerializeAsString());
  };
  EXPECT_EQ(nested(kMaxMessageDepth), "counted");
  EXPECT_EQ(nested(kMaxMessageDepth + 1), "request-too-deep");
  EXPECT_EQ(nested(10'000), "request-too-deep");
}

TEST(FieldCount, RefusesWhatIsNotInTheWireFormat) {
  const std::string_view malformed[] = {
      {"\x0a", 1},                                               // no length
      {"\x0a\x05\x00", 3},                                       // less than its length
      {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10},          // a length beyond everything
      {"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12},  // a varint of eleven bytes
      {"\x02\x00", 2},                                           // field 0
      {"\x8a\x80\x80\x80\x80\x01\x00", 7},                       // a tag of more than 32 bits
      {"\x0b\x0c", 2},                                           // a group
      {"\x0c", 1},                                               // its end alone
      {"\x0e", 1},                                               // wire types that nothing has
      {"\x0f", 1},
      {"\x0d\x00\x00\x00", 4},                  // a cut fixed32
      {"\x09\x00\x00\x00\x00\x00\x00\x00", 8},  // a cut fixed64
  };
  for (const std::string_view bytes : malformed)
    EXPECT_EQ(Counted<node::AttestRequest>(bytes), "request-malformed") << ToHex(AsBytes(bytes));
}

TEST(FieldCount, RefusesAMessageThatIsCutWithinAnother) {
  node::AttestRequest request;
  request.mutable_evidence()->mutable_pcrs()->set_bank("sha256");
  const std::string whole = request.SerializeAsString();
  for (size_t size = 1; size < whole.size(); ++size)
    EXPECT_EQ(Counted<node::AttestRequest>(whole.substr(0, size)), "request-malformed") << size;
}

}  // namespace
}  // namespace lodekey::issuer
