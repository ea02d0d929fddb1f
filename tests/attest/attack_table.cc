#include "tests/attest/attack_table.h"

#include <algorithm>
#include <utility>

#include "attest/key_rules.h"

namespace lodekey::test {
namespace {

using attest::Outcome;

template <class T>
Result<void> Dropped(Result<T> result) {
  if (!result) return std::unexpected(std::move(result.error()));
  return {};
}

attest::Verdict Judge(const Scene& scene, Stage stage) {
  return stage == Stage::kEnrolment ? scene.Enrol() : scene.Attest();
}

bool States(const attest::Verdict& verdict, const attest::Fact& fact) {
  return std::ranges::find(verdict.facts(), fact) != verdict.facts().end();
}

class RowTest : public Attack {
 public:
  explicit RowTest(AttackRow row) : row_(std::move(row)) {}

  void TestBody() override {
    Scene twin;
    if (row_.setting) row_.setting(twin);
    const attest::Verdict honest = Judge(twin, row_.stage);
    ASSERT_EQ(Codes(honest), std::vector<std::string>()) << "the twin is refused";
    ASSERT_FALSE(States(honest, row_.fact)) << "of the twin: " << row_.fact.name;
    for (size_t i = 0; i < row_.mutations.size(); ++i) {
      SCOPED_TRACE(row_.title + ", mutation " + std::to_string(i));
      Scene scene = twin;
      row_.mutations[i](scene);
      const attest::Verdict verdict = Judge(scene, row_.stage);
      ASSERT_EQ(Codes(verdict), row_.codes);
      ASSERT_EQ(Strictest(verdict), row_.codes.empty() ? Outcome::kAccepted : row_.outcome);
      ASSERT_TRUE(row_.fact.name.empty() || States(verdict, row_.fact)) << row_.fact.name;
    }
  }

 private:
  AttackRow row_;
};

class KeyRowTest : public Attack {
 public:
  explicit KeyRowTest(KeyAttackRow row) : row_(std::move(row)) {}

  void TestBody() override {
    const tpm::PublicArea honest = row_.honest();
    const auto twin = row_.reader(honest.tpm2b());
    ASSERT_TRUE(twin) << "the twin is refused: " << twin.error().text;
    for (size_t i = 0; i < row_.mutations.size(); ++i) {
      SCOPED_TRACE(row_.title + ", mutation " + std::to_string(i));
      const auto read = row_.reader(ChangedTpm2bPublic(honest, row_.mutations[i]));
      ASSERT_FALSE(read);
      ASSERT_EQ(read.error().Name(), row_.name) << read.error().text;
    }
  }

 private:
  KeyAttackRow row_;
};

template <class Test, class Row>
bool Register(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    testing::RegisterTest("Attack", row.row.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [row]() -> Attack* { return new Test(row); });
  }
  return !rows.empty();
}

}  // namespace

Result<void> ReadAk(ByteView tpm2b) { return Dropped(attest::ReadAttestationKey(tpm2b)); }
Result<void> ReadNode(ByteView tpm2b) { return Dropped(attest::ReadNodeKey(tpm2b)); }
Result<void> ReadEk(ByteView tpm2b) { return Dropped(attest::ReadEndorsementKey(tpm2b)); }

bool RegisterAttacks(const std::vector<AttackRow>& rows) { return Register<RowTest>(rows); }
bool RegisterKeyAttacks(const std::vector<KeyAttackRow>& rows) {
  return Register<KeyRowTest>(rows);
}

}  // namespace lodekey::test
