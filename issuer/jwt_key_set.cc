#include "issuer/jwt_key_set.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "crypto/encoding.h"
#include "lodekey/store/v1/store.pb.h"

namespace lodekey::issuer {
namespace {

namespace stored = lodekey::store::v1;

constexpr uint32_t kVersion = 1;
constexpr size_t kIdBytes = 16;
constexpr int64_t kLatest = int64_t{1} << 52;  // beyond any date; no overflow in sums

std::unexpected<Error> Corrupt(std::string text) {
  return Fail(Code::kUntrusted, "the keys of JWT-SVIDs: " + std::move(text),
              {.name = "authority-corrupt",
               .advice = "Restore ca/jwt.key from a backup. Without one move it away: new keys are "
                         "made, and the JWT-SVIDs that are out count no more."});
}

JwtSigningKey KeyOf(crypto::PrivateKey key) {
  const ByteView digest = key.public_key().spki_sha256();
  return {.id = ToHex(digest.first(kIdBytes)),
          .key = std::make_shared<const crypto::PrivateKey>(std::move(key))};
}

Result<JwtSigningKey> NewKey() {
  ASSIGN_OR_RETURN(auto key, crypto::PrivateKey::GenerateEc(crypto::Curve::kP256),
                   "make a key for JWT-SVIDs");
  return KeyOf(std::move(key));
}

int64_t Milliseconds(Time time) { return time.time_since_epoch().count(); }

bool IsRetired(const JwtSigningKey& key) { return key.retired != Time(); }

// Wipes what protobuf holds of private keys.
class Wiped {
 public:
  ~Wiped() {
    for (stored::JwtKey& key : *file.mutable_keys())
      explicit_bzero(key.mutable_private_key()->data(), key.private_key().size());
  }
  stored::JwtKeyFile file;
};

Result<JwtSigningKey> ReadKey(const stored::JwtKey& message) {
  for (const int64_t time : {message.signs_from_ms(), message.retired_ms()})
    if (time < 0 || time > kLatest) return Corrupt("a time is out of range");
  auto key = crypto::PrivateKey::FromPem(crypto::Secret::Copy(AsBytes(message.private_key())));
  if (!key) return Corrupt("a key does not parse");
  if (key->public_key().type() != crypto::KeyType::kEcP256) return Corrupt("a key is not on P-256");
  JwtSigningKey read = KeyOf(*std::move(key));
  read.signs_from = Time(Duration(message.signs_from_ms()));
  read.retired = Time(Duration(message.retired_ms()));
  return read;
}

// Retired ones, one that signs, one that does not yet.
bool InOrder(const std::vector<JwtSigningKey>& keys) {
  const auto next = keys.size() - 1;
  for (size_t i = 0; i < keys.size(); ++i) {
    const bool begun = keys[i].signs_from != Time();
    if (begun != (i != next) || IsRetired(keys[i]) != (i + 1 < next)) return false;
    const auto same = [&](const JwtSigningKey& key) { return key.id == keys[i].id; };
    if (std::ranges::count_if(keys, same) != 1) return false;
  }
  return true;
}

}  // namespace

std::string JwtSigningKey::TokenPrefix() const {
  const std::string header = fmt::format(R"({{"alg":"ES256","kid":"{}","typ":"JWT"}})", id);
  return crypto::ToBase64Url(AsBytes(header)) + ".";
}

Result<JwtKeySet> JwtKeySet::Make(Time now) {
  JwtKeySet set;
  ASSIGN_OR_RETURN(JwtSigningKey first, NewKey(), "first key");
  first.signs_from = now;
  set.keys_.push_back(std::move(first));
  ASSIGN_OR_RETURN(JwtSigningKey next, NewKey(), "next key");
  set.keys_.push_back(std::move(next));
  set.CountChange(now);
  return set;
}

Result<JwtKeySet> JwtKeySet::At(Time now, Duration life) const {
  JwtKeySet set = *this;
  JwtSigningKey& signs = set.keys_[set.keys_.size() - 2];
  if (signs.signs_from > now) {
    signs.signs_from = now;
  } else if (now - signs.signs_from >= life) {
    RETURN_IF_ERROR(set.Rotate(now), "let the next key sign");
  }
  std::erase_if(set.keys_, [&](const JwtSigningKey& key) {
    return IsRetired(key) && now - key.retired >= kRetention;
  });
  // Only a clock that jumped lets so many come together; the oldest signed longest ago.
  while (set.keys_.size() > kMaxKeys) set.keys_.erase(set.keys_.begin());
  const auto id = &JwtSigningKey::id;
  if (!std::ranges::equal(keys_, set.keys_, {}, id, id)) set.CountChange(now);
  return set;
}

Result<void> JwtKeySet::Rotate(Time now) {
  ASSIGN_OR_RETURN(JwtSigningKey next, NewKey(), "next key");
  keys_[keys_.size() - 2].retired = now;
  keys_.back().signs_from = now;
  keys_.push_back(std::move(next));
  return {};
}

void JwtKeySet::CountChange(Time now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  sequence_ = std::max(sequence_ + 1, static_cast<uint64_t>(std::max<int64_t>(seconds, 0)));
}

const JwtSigningKey* JwtKeySet::Find(std::string_view id) const {
  const auto found = std::ranges::find(keys_, id, &JwtSigningKey::id);
  return found == keys_.end() ? nullptr : &*found;
}

bool JwtKeySet::operator==(const JwtKeySet& other) const {
  return std::ranges::equal(
      keys_, other.keys_, [](const JwtSigningKey& one, const JwtSigningKey& two) {
        return one.id == two.id && one.signs_from == two.signs_from && one.retired == two.retired;
      });
}

Result<crypto::Secret> JwtKeySet::Encode() const {
  Wiped wiped;
  wiped.file.set_version(kVersion);
  wiped.file.set_bundle_sequence(sequence_);
  for (const JwtSigningKey& key : keys_) {
    ASSIGN_OR_RETURN(const crypto::Secret pem, key.key->ToPem(), "encode a key");
    stored::JwtKey& message = *wiped.file.add_keys();
    message.set_private_key(std::string(AsText(pem.Reveal())));
    message.set_signs_from_ms(Milliseconds(key.signs_from));
    message.set_retired_ms(Milliseconds(key.retired));
  }
  Bytes content(wiped.file.ByteSizeLong());
  if (!wiped.file.SerializeToArray(content.data(), static_cast<int>(content.size())))
    return Fail(Code::kInternal, "the keys of JWT-SVIDs cannot be written");
  return crypto::Secret::Take(std::move(content));
}

Result<JwtKeySet> JwtKeySet::Decode(const crypto::Secret& content) {
  Wiped wiped;
  const ByteView bytes = content.Reveal();
  if (!wiped.file.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Corrupt("the file does not parse");
  if (wiped.file.version() > kVersion) {
    return Fail(Code::kConflict, "the keys of JWT-SVIDs were written by a later version",
                {.name = "authority-newer",
                 .advice = "Run the version of the issuer that wrote them, or a later one."});
  }
  const auto count = static_cast<size_t>(wiped.file.keys_size());
  if (wiped.file.version() != kVersion || wiped.file.bundle_sequence() == 0 || count < 2 ||
      count > kMaxKeys)
    return Corrupt("version, sequence number or number of keys is out of range");
  JwtKeySet set;
  set.sequence_ = wiped.file.bundle_sequence();
  for (const stored::JwtKey& message : wiped.file.keys()) {
    ASSIGN_OR_RETURN(JwtSigningKey key, ReadKey(message), "read");
    set.keys_.push_back(std::move(key));
  }
  if (!InOrder(set.keys_)) return Corrupt("no key signs, or two do, or one stands twice");
  return set;
}

}  // namespace lodekey::issuer
