// CheckFieldCount of any bytes: what it lets pass is no larger in memory than it says, and what
// protobuf writes itself passes.
#include <cstdint>
#include <cstdlib>

#include <google/protobuf/message.h>
#include <google/protobuf/stubs/logging.h>

#include "issuer/field_count.h"
#include "lodekey/node/v1/node_service.pb.h"

namespace {

using namespace lodekey;
namespace pb = google::protobuf;

constexpr size_t kMaxFields = 100;

void Require(bool ok) {
  if (!ok) std::abort();
}

// The fields that `message` holds, those it does not know included.
size_t CountParsed(const pb::Message& message) {
  const pb::Reflection& reflection = *message.GetReflection();
  size_t count = static_cast<size_t>(reflection.GetUnknownFields(message).field_count());
  std::vector<const pb::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const pb::FieldDescriptor* const field : fields) {
    const int size = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    count += static_cast<size_t>(size);
    if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    for (int i = 0; i < size; ++i) {
      count += CountParsed(field->is_repeated() ? reflection.GetRepeatedMessage(message, field, i)
                                                : reflection.GetMessage(message, field));
    }
  }
  return count;
}

void Check(ByteView bytes, pb::Message& message) {
  const bool counted =
      issuer::CheckFieldCount(bytes, *message.GetDescriptor(), kMaxFields).has_value();
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  if (counted) Require(CountParsed(message) <= kMaxFields);
  if (CountParsed(message) > kMaxFields || !counted) return;
  const std::string again = message.SerializeAsString();
  Require(
      issuer::CheckFieldCount(AsBytes(again), *message.GetDescriptor(), kMaxFields).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // The library tells stderr of each string that is no UTF-8.
  static const auto kQuiet = pb::SetLogHandler(nullptr);
  static_cast<void>(kQuiet);
  node::v1::StartEnrolmentRequest start;
  Check({data, size}, start);
  node::v1::FinishEnrolmentRequest finish;
  Check({data, size}, finish);
  return 0;
}
