#include "issuer/challenge.h"

#include "base/reader.h"
#include "base/writer.h"
#include "crypto/digest.h"
#include "crypto/sealed_box.h"

namespace lodekey::issuer {
namespace {

constexpr size_t kMaxSealed = 8192;
constexpr size_t kMaxField = 2048;
constexpr uint8_t kVersion = 3;

// Without a DevID the name of its key is empty, and nothing follows.
void EncodeDevId(const std::optional<attest::DevIdClaim>& devid, Writer& writer) {
  if (!devid) {
    writer.Sized32("");
    return;
  }
  writer.Sized32(devid->key_name)
      .Sized32(devid->unproved.key_sha256)
      .Sized32(devid->unproved.subject)
      .Sized32(devid->unproved.serial)
      .Sized32(devid->unproved.issuer);
}

Result<std::optional<attest::DevIdClaim>> DecodeDevId(Reader& reader) {
  ASSIGN_OR_RETURN(const ByteView name, reader.Sized32(kMaxField), "name of the key");
  if (name.empty()) return std::nullopt;
  ASSIGN_OR_RETURN(const ByteView key, reader.Sized32(kMaxField), "key");
  ASSIGN_OR_RETURN(const ByteView subject, reader.Sized32(kMaxField), "subject");
  ASSIGN_OR_RETURN(const ByteView serial, reader.Sized32(kMaxField), "serial");
  ASSIGN_OR_RETURN(const ByteView issuer, reader.Sized32(kMaxField), "issuer");
  return attest::DevIdClaim{.unproved = {.subject = std::string(AsText(subject)),
                                         .serial = std::string(AsText(serial)),
                                         .issuer = std::string(AsText(issuer)),
                                         .key_sha256 = ToBytes(key)},
                            .key_name = ToBytes(name)};
}

Bytes Encode(const Challenge& challenge) {
  Writer writer;
  writer.Sized32(challenge.id)
      .U64Be(static_cast<uint64_t>(challenge.made.time_since_epoch().count()))
      .U64Be(static_cast<uint64_t>(challenge.expires.time_since_epoch().count()))
      .Sized32(challenge.nonce)
      .Sized32(challenge.activation_secret.Reveal())
      .Sized32(challenge.node_id)
      .U64Be(challenge.node_revision)
      .U8(static_cast<uint8_t>(challenge.assurance))
      .Sized32(challenge.assurance_reason)
      .Sized32(challenge.manufacturer)
      .Sized32(challenge.ek_public)
      .Sized32(challenge.ak_public)
      .Sized32(challenge.node_key_public);
  EncodeDevId(challenge.devid, writer);
  return std::move(writer).Finish();
}

Time ToTime(uint64_t milliseconds) { return Time(Duration(static_cast<int64_t>(milliseconds))); }

Result<Challenge> Decode(ByteView bytes) {
  Reader reader(bytes, "challenge");
  Challenge challenge;
  ASSIGN_OR_RETURN(const ByteView id, reader.Sized32(kMaxField), "id");
  ASSIGN_OR_RETURN(const uint64_t made, reader.U64Be(), "made");
  ASSIGN_OR_RETURN(const uint64_t expires, reader.U64Be(), "expires");
  ASSIGN_OR_RETURN(const ByteView nonce, reader.Sized32(kMaxField), "nonce");
  ASSIGN_OR_RETURN(const ByteView secret, reader.Sized32(kMaxField), "secret");
  ASSIGN_OR_RETURN(const ByteView node_id, reader.Sized32(kMaxField), "node id");
  ASSIGN_OR_RETURN(challenge.node_revision, reader.U64Be(), "revision");
  ASSIGN_OR_RETURN(const uint8_t assurance, reader.U8(), "assurance");
  ASSIGN_OR_RETURN(const ByteView reason, reader.Sized32(kMaxField), "assurance reason");
  ASSIGN_OR_RETURN(const ByteView manufacturer, reader.Sized32(kMaxField), "manufacturer");
  ASSIGN_OR_RETURN(const ByteView ek, reader.Sized32(kMaxField), "EK");
  ASSIGN_OR_RETURN(const ByteView ak, reader.Sized32(kMaxField), "AK");
  ASSIGN_OR_RETURN(const ByteView node_key, reader.Sized32(kMaxField), "node key");
  ASSIGN_OR_RETURN(challenge.devid, DecodeDevId(reader), "DevID");
  RETURN_IF_ERROR(reader.ExpectEnd(), "challenge");
  challenge.id = ToBytes(id);
  challenge.made = ToTime(made);
  challenge.expires = ToTime(expires);
  challenge.nonce = ToBytes(nonce);
  challenge.activation_secret = crypto::Secret::Copy(secret);
  challenge.node_id = std::string(AsText(node_id));
  challenge.assurance = static_cast<attest::Assurance>(assurance);
  challenge.assurance_reason = std::string(AsText(reason));
  challenge.manufacturer = std::string(AsText(manufacturer));
  challenge.ek_public = ToBytes(ek);
  challenge.ak_public = ToBytes(ak);
  challenge.node_key_public = ToBytes(node_key);
  return challenge;
}

}  // namespace

ChallengeSealer::ChallengeSealer(crypto::Secret key, std::string trust_domain)
    : key_(std::move(key)), trust_domain_(std::move(trust_domain)) {
  // Names the key without telling it: a replica with another key refuses by the associated data.
  const auto digest = crypto::Sha256({AsBytes("lodekey/challenge-key-id/v1"), key_.Reveal()});
  key_id_.assign(digest.begin(), digest.begin() + 8);
}

Bytes ChallengeSealer::AssociatedData() const {
  return std::move(Writer()
                       .Sized32("lodekey/challenge")
                       .U8(kVersion)
                       .Sized32(trust_domain_)
                       .Sized32(key_id_))
      .Finish();
}

Result<Bytes> ChallengeSealer::Seal(const Challenge& challenge) const {
  Bytes plain = Encode(challenge);
  auto sealed = crypto::Seal(key_, AssociatedData(), plain);
  crypto::WipeBytes(plain);
  return sealed;
}

Result<Challenge> ChallengeSealer::Open(ByteView sealed, Time now) const {
  const auto plain =
      sealed.size() > kMaxSealed
          ? Result<crypto::Secret>(Fail(Code::kUntrusted, "the sealed state is too large"))
          : crypto::Unseal(key_, AssociatedData(), sealed);
  if (!plain) {
    return Fail(Code::kUntrusted, "the sealed state is not one of this issuer",
                {.name = "challenge-invalid", .advice = "Start the enrolment again."});
  }
  ASSIGN_OR_RETURN(Challenge challenge, Decode(plain->Reveal()), "sealed state");
  // A wall clock that was set back must not lengthen the life of what was made later.
  if (now >= challenge.expires || now < challenge.made) {
    return Fail(Code::kTimeout, "the enrolment challenge is no longer valid",
                {.name = "challenge-expired", .advice = "Start the enrolment again."});
  }
  return challenge;
}

}  // namespace lodekey::issuer
