#include "issuer/jwt_authority.h"

#include <set>

#include <gtest/gtest.h>

#include "attest/codec.h"
#include "issuer/next_step.h"
#include "lodekey/store/v1/store.pb.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::JwtAuthority;
using issuer::JwtKeySet;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kLife = hours(24);

std::vector<std::string> Ids(const issuer::PublishedJwtKeys& published) {
  std::vector<std::string> ids;
  for (const crypto::JwtKey& key : published.keys) ids.push_back(key.id);
  return ids;
}

class JwtAuthorityTest : public testing::Test {
 protected:
  std::unique_ptr<JwtAuthority> Open(Time now = At(0)) const {
    return Must(JwtAuthority::Open(Files(), kLife, *store, now));
  }
  issuer::AuthorityFiles Files() const { return issuer::AuthorityFiles(directory.path()); }
  std::string Path() const { return directory.path() + "/jwt.key"; }

  // Name() of the error that refuses what the file holds.
  std::string Refusal(const std::string& content) const {
    Overwrite(Path(), content);
    const auto opened = JwtAuthority::Open(Files(), kLife, *store, At(0));
    return opened ? "opened" : std::string(opened.error().Name());
  }
  // The file, with a change.
  std::string Changed(const std::function<void(lodekey::store::v1::JwtKeyFile&)>& change) const {
    lodekey::store::v1::JwtKeyFile file;
    EXPECT_TRUE(file.ParseFromString(ReadText(Path())));
    change(file);
    return file.SerializeAsString();
  }
  std::vector<nlohmann::json> Records() const {
    std::vector<nlohmann::json> records;
    for (const auto& line : VerifiedLines(files.log))
      records.push_back(nlohmann::json::parse(line.record));
    return records;
  }

  ScratchDirectory directory;
  StoreFiles files{directory.path()};
  std::unique_ptr<issuer::Store> store = Must(OpenStore(files));
};

TEST_F(JwtAuthorityTest, PublishesTheKeyThatSignsAndTheNextOne) {
  const auto authority = Open();
  const auto published = authority->Published();
  ASSERT_EQ(published.keys.size(), 2U);
  EXPECT_NE(published.keys[0].id, published.keys[1].id);
  EXPECT_TRUE(crypto::FormatJwks(published.keys, published.sequence));
  EXPECT_EQ(published.sequence, authority->bundle_sequence());
  EXPECT_GT(published.sequence, 1U) << "the sequence of a version without these keys was 1";
}

TEST_F(JwtAuthorityTest, FindsItsKeysAgain) {
  const auto first = Open()->Published();
  const auto second = Open(At(0) + kLife - seconds(1))->Published();
  EXPECT_EQ(Ids(first), Ids(second));
  EXPECT_EQ(first.sequence, second.sequence);
}

TEST_F(JwtAuthorityTest, RecordsEachKeyBeforeItIsPublished) {
  const auto authority = Open();
  Must(authority->Refresh(At(0) + kLife));
  const auto records = Records();
  const auto published = authority->Published();
  ASSERT_EQ(records.size(), 3U);
  ASSERT_EQ(published.keys.size(), 3U);
  for (size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i]["event"], "jwt-key.issued");
    EXPECT_EQ(records[i]["key_id"], published.keys[i].id);
    EXPECT_EQ(records[i]["key_sha256"], ToHex(published.keys[i].key.spki_sha256()));
  }
}

TEST_F(JwtAuthorityTest, UsesNoKeyThatCannotBeRecorded) {
  const auto authority = Open();
  const auto before = authority->Published();
  const std::string file = ReadText(Path());
  std::filesystem::remove(files.log);  // the store notices, and writes no more
  EXPECT_EQ(authority->Refresh(At(0) + kLife).error().Name(), "audit-unavailable");
  EXPECT_EQ(Ids(authority->Published()), Ids(before));
  EXPECT_EQ(ReadText(Path()), file);
}

TEST_F(JwtAuthorityTest, RefusesAFileThatIsNone) {
  Open();
  const std::string good = ReadText(Path());
  const auto with = [&](auto change) { return Changed(change); };
  const std::vector<std::string> bad = {
      "",
      "not a message",
      good.substr(0, good.size() / 2),
      with([](auto& file) { file.set_version(0); }),
      with([](auto& file) { file.set_bundle_sequence(0); }),
      with([](auto& file) { file.mutable_keys()->RemoveLast(); }),
      with([](auto& file) { *file.add_keys() = file.keys(1); }),
      with([](auto& file) { file.mutable_keys(0)->set_signs_from_ms(0); }),
      with([](auto& file) { file.mutable_keys(0)->set_retired_ms(1); }),
      with([](auto& file) { file.mutable_keys(1)->set_signs_from_ms(-1); }),
      with([](auto& file) { *file.mutable_keys(1)->mutable_private_key() = "none"; }),
      with([](auto& file) {
        const auto p384 = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP384));
        file.mutable_keys(1)->set_private_key(std::string(AsText(Must(p384.ToPem()).Reveal())));
      }),
      with([](auto& file) {
        for (int i = 0; i < 7; ++i) *file.add_keys() = file.keys(1);
      })};
  for (const std::string& content : bad) EXPECT_EQ(Refusal(content), "authority-corrupt");
  EXPECT_EQ(Refusal(good), "opened");
}

TEST_F(JwtAuthorityTest, LeavesAFileOfALaterVersionAlone) {
  Open();
  const std::string newer = Changed([](auto& file) { file.set_version(2); });
  EXPECT_EQ(Refusal(newer), "authority-newer");
  EXPECT_EQ(ReadText(Path()), newer);
}

// --- Rotation ---

class JwtKeySetTest : public testing::Test {
 protected:
  void Pass(Duration duration) {
    now += duration;
    set = Must(set.At(now, kLife));
  }
  std::vector<std::string> Published() const {
    std::vector<std::string> ids;
    for (const auto& key : set.keys()) ids.push_back(key.id);
    return ids;
  }

  Time now = At(0);
  JwtKeySet set = Must(JwtKeySet::Make(At(0)));
};

TEST_F(JwtKeySetTest, SignsWithAKeyThatWasPublishedALifeBefore) {
  std::set<std::string> known;
  for (int i = 0; i < 5; ++i) {
    for (const std::string& id : Published()) known.insert(id);
    const auto sequence = set.sequence();
    Pass(kLife - seconds(1));
    EXPECT_TRUE(known.contains(set.signer().id));
    Pass(seconds(1));
    EXPECT_TRUE(known.contains(set.signer().id)) << "verifiers had it before it signed";
    EXPECT_GT(set.sequence(), sequence);
  }
}

TEST_F(JwtKeySetTest, KeepsARetiredKeyUntilTheLastOfItsTokensHasEnded) {
  const std::string first = set.signer().id;
  Pass(kLife);
  ASSERT_NE(set.signer().id, first);
  Pass(JwtKeySet::kRetention - seconds(1));
  EXPECT_NE(set.Find(first), nullptr);
  EXPECT_GE(JwtKeySet::kRetention, attest::kMaxJwtTtl);
  const auto sequence = set.sequence();
  Pass(seconds(1));
  EXPECT_EQ(set.Find(first), nullptr);
  EXPECT_GT(set.sequence(), sequence) << "who keeps bundles by their number must hear of it";
  EXPECT_EQ(set.keys().size(), 2U);
}

TEST_F(JwtKeySetTest, ChangesNothingBetweenTimes) {
  const auto before = set;
  Pass(kLife / 2);
  EXPECT_EQ(set, before);
  EXPECT_EQ(set.sequence(), before.sequence());
}

TEST_F(JwtKeySetTest, KeepsEveryKeyThatSignedWhileAClockRanAhead) {
  const std::string first = set.signer().id;
  Pass(hours(100 * 24));
  const std::string second = set.signer().id;
  Pass(-hours(100 * 24));
  EXPECT_NE(set.Find(first), nullptr) << "its tokens have not ended";
  EXPECT_EQ(set.signer().id, second);
  // And the rotation goes on from here.
  Pass(kLife);
  EXPECT_NE(set.signer().id, second);
}

TEST_F(JwtKeySetTest, NeverPublishesMoreThanABundleHolds) {
  for (int i = 0; i < 20; ++i) {
    Pass(hours(100 * 24));
    Pass(-hours(100 * 24));
    EXPECT_LE(set.keys().size(), JwtKeySet::kMaxKeys);
  }
}

TEST_F(JwtKeySetTest, ReadsBackWhatItWrites) {
  Pass(kLife);
  const auto read = Must(JwtKeySet::Decode(Must(set.Encode())));
  EXPECT_EQ(read, set);
  EXPECT_EQ(read.sequence(), set.sequence());
  EXPECT_EQ(read.signer().TokenPrefix(), set.signer().TokenPrefix());
}

TEST_F(JwtKeySetTest, DoesNotLetTheSequenceFallWhenTheFileIsLost) {
  Pass(kLife);
  EXPECT_GT(Must(JwtKeySet::Make(now + seconds(1))).sequence(), set.sequence());
}

// --- In the authority ---

TEST(JwtKeys, ComeWithTheBundleOfEachReply) {
  IssuerRig issuer;
  Host host;
  Must(issuer.inventory->Allow(host.id(), {}, "uid 0"));
  const auto response = Must(issuer.Enrol(host));
  const auto published = issuer.authority->jwt().Published();
  ASSERT_EQ(response.bundle().jwt_keys_size(), 2);
  EXPECT_EQ(response.bundle().sequence(), published.sequence);
  for (int i = 0; i < 2; ++i) {
    const auto& key = response.bundle().jwt_keys(i);
    EXPECT_EQ(key.id(), published.keys[static_cast<size_t>(i)].id);
    EXPECT_EQ(attest::FromField(key.public_key()),
              published.keys[static_cast<size_t>(i)].key.spki_der());
  }
}

TEST(JwtKeys, AreRotatedThoughTheRootsKeyIsKeptElsewhere) {
  IssuerRig issuer;
  std::filesystem::remove(issuer.directory.path() + "/ca/root.key");
  const auto before = issuer.authority->jwt().bundle_sequence();
  EXPECT_EQ(
      issuer.authority->Refresh(issuer.now + issuer.config.intermediate_ttl / 2).error().Name(),
      "root-key-absent");
  EXPECT_GT(issuer.authority->jwt().bundle_sequence(), before);
}

}  // namespace
}  // namespace lodekey::test
