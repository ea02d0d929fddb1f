// Rows of "What a hostile host may send": otherwise valid input with one thing changed, the exact
// answer to it, and the unchanged twin, which is accepted in the same test.
//
// A row is a test of its number: Attack.A24, or Attack.A24/variant where the variants of one item
// have different answers.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "attest/verdict.h"
#include "base/result.h"
#include "tests/attest/scene.h"

namespace lodekey::test {

// The suite of all rows.
class Attack : public testing::Test {};

enum class Stage { kEnrolment, kEvidence };
using Change = std::function<void(Scene&)>;

struct AttackRow {
  std::string row;
  std::string title;
  Stage stage = Stage::kEvidence;
  Change setting = {};  // the twin has it too
  std::vector<Change> mutations;
  std::vector<std::string> codes;  // of the failed rules, exactly; none: the mutation is accepted
  attest::Outcome outcome = attest::Outcome::kMessageRefused;  // where the policy waives nothing
  attest::Fact fact = {};  // that the mutated evidence has and the twin's has not; no name: any
};

// Reads a TPM2B_PUBLIC as a stranger presents it.
using KeyReader = std::function<Result<void>(ByteView)>;
Result<void> ReadAk(ByteView tpm2b);
Result<void> ReadNode(ByteView tpm2b);
Result<void> ReadEk(ByteView tpm2b);

struct KeyAttackRow {
  std::string row;
  std::string title;
  KeyReader reader;
  std::function<tpm::PublicArea()> honest;
  std::vector<ChangeArea> mutations;
  std::string name;  // Error::Name()
};

// Make one test of each row. The value means nothing: it lets a table register itself.
bool RegisterAttacks(const std::vector<AttackRow>& rows);
bool RegisterKeyAttacks(const std::vector<KeyAttackRow>& rows);

}  // namespace lodekey::test
