#include "crypto/oid.h"

#include <gtest/gtest.h>

namespace lodekey::crypto {
namespace {

TEST(DottedOid, IsWrittenInOneWay) {
  for (const char* oid : {"2.23.133.11.1.2", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"})
    EXPECT_TRUE(IsDottedOid(oid)) << oid;
  for (const char* text :
       {"", "2", "1.02.3", "1.2.", "1..2", "clientAuth", "9.1", "1.2 .3", "-1.2"})
    EXPECT_FALSE(IsDottedOid(text)) << text;
  EXPECT_FALSE(IsDottedOid("1.2" + std::string(1000, '3')));
}

}  // namespace
}  // namespace lodekey::crypto
