#include "issuer/entry_record.h"

#include <fmt/format.h>

#include "attest/entry_codec.h"
#include "crypto/secret.h"

namespace lodekey::issuer {

std::string NewEntryId(Time now, size_t place) {
  Bytes uuid = crypto::RandomBytes(16);
  const auto milliseconds = static_cast<uint64_t>(now.time_since_epoch().count());
  for (size_t i = 0; i < 6; ++i) uuid[i] = static_cast<uint8_t>(milliseconds >> (40 - 8 * i));
  // RFC 9562, 6.2, method 1: a counter in rand_a; what makes the id unique are the 62 bits behind.
  uuid[6] = static_cast<uint8_t>((place >> 8 & 0x0f) | 0x70);
  uuid[7] = static_cast<uint8_t>(place);
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);
  const std::string hex = ToHex(uuid);
  const std::string_view digits = hex;
  return fmt::format("{}-{}-{}-{}-{}", digits.substr(0, 8), digits.substr(8, 4),
                     digits.substr(12, 4), digits.substr(16, 4), digits.substr(20));
}

std::string EncodeEntryContent(const attest::Entry& entry) {
  lodekey::entry::v1::Entry message = attest::EncodeEntry(entry);
  message.clear_id();
  message.clear_revision();
  return message.SerializeAsString();
}

Result<attest::Entry> DecodeEntryContent(std::string id, uint64_t revision, ByteView content) {
  lodekey::entry::v1::Entry message;
  if (!message.ParseFromArray(content.data(), static_cast<int>(content.size()))) {
    return Fail(Code::kInvalidArgument, fmt::format("the stored entry {} does not parse", id),
                {.name = "entry-invalid"});
  }
  message.set_id(std::move(id));
  message.set_revision(revision);
  return attest::DecodeEntry(message);
}

Result<void> CheckStoredEntry(const attest::Entry& entry) {
  const bool fits = !entry.id.empty() && entry.id.size() <= kMaxEntryId &&
                    EncodeEntryContent(entry).size() <= kMaxEntryContent;
  if (fits) return {};
  return Fail(Code::kInvalidArgument, "the entry has no id, or is too large to be stored",
              {.name = "record-invalid"});
}

}  // namespace lodekey::issuer
