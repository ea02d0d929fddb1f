// Rows of "What a hostile host may send" that the issuer's services answer: the exact answer to the
// attack, and the unchanged twin, which is accepted in the same test.
//
// A row is a test of its number: ServiceAttack.A2, or ServiceAttack.A7/other_session where the
// variants of one item differ. No '-' in a name: a filter of GoogleTest reads it as "all but", and
// ctest would run nothing.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tests/issuer/issuer_fixture.h"

namespace lodekey::test {

// The suite of all rows.
class ServiceAttack : public testing::Test {};

// A chip whose EK stays when the agent's keys are lost: all hosts of one number share it.
SoftwareTpmOptions AttackChip(unsigned number = 21);

// An issuer with one enrolled host, and an intruder that is in no inventory.
struct ServiceStage {
  explicit ServiceStage(const AdjustConfig& adjust) : issuer(adjust) { issuer.Admit(host); }

  IssuerRig issuer;
  Host host{AttackChip()};
  Host intruder;
};

// Returns what the issuer answered: see Answer() of the fixture.
using Act = std::function<std::string(ServiceStage&)>;

struct ServiceAttackRow {
  std::string number;
  std::string title;
  Act attack;
  std::string answer;
  Act twin;                                               // is answered with kAccepted
  issuer::Standing standing = issuer::Standing::kActive;  // of the host, after the attack
  AdjustConfig adjust = {};
};

// Makes one test of each row. The value means nothing: it lets a table register itself.
bool RegisterServiceAttacks(const std::vector<ServiceAttackRow>& rows);

// --- Honest acts ---

inline constexpr std::string_view kAccepted = "ACCEPTED";

std::string Attests(ServiceStage& stage);
std::string Enrols(ServiceStage& stage);
Act AttestsAfter(Duration wait);
// An enrolment whose second half comes after `wait`.
Act FinishesAfter(Duration wait);
// With changes they are honest no more.
Act AttestsWith(HostChanges changes);
Act EnrolsWith(HostChanges changes);

}  // namespace lodekey::test
