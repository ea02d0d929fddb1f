// What the tests of enrolment share.
#pragma once

#include <gtest/gtest.h>

#include "crypto/digest.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {

// A chip whose EK stays when the agent's keys are lost: all hosts of one number share it.
inline SoftwareTpmOptions RsaChip(unsigned chip) {
  return {.ek_template = "rsa2048-l1", .chip = chip};
}

class EnrollerTest : public testing::Test {
 protected:
  explicit EnrollerTest(const AdjustConfig& adjust = {}) : issuer(adjust) {}

  void Allow(const Host& host) const { Must(issuer.inventory->Allow(host.id(), {}, "uid 0")); }

  bool HasLog(const Bytes& log) const {
    bool known = false;
    Must(issuer.store->Read([&](issuer::View& view) -> Result<void> {
      known = Must(view.HasLog(crypto::Sha256(log)));
      return {};
    }));
    return known;
  }

  IssuerRig issuer;
};

}  // namespace lodekey::test
