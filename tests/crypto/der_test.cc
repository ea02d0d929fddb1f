#include "crypto/der.h"

#include <gtest/gtest.h>

#include "base/hex.h"
#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::Must;

std::string Header(size_t length) {
  Writer out;
  AppendDerHeader(out, kDerSequence, length);
  return ToHex(out.view());
}

TEST(DerHeader, HasTheShortestLength) {
  EXPECT_EQ(Header(0), "3000");
  EXPECT_EQ(Header(127), "307f");
  EXPECT_EQ(Header(128), "308180");
  EXPECT_EQ(Header(255), "3081ff");
  EXPECT_EQ(Header(256), "30820100");
  EXPECT_EQ(Header(65535), "3082ffff");
}

TEST(DerElement, ReadsBackWhatIsWritten) {
  for (size_t length : {0u, 1u, 127u, 128u, 255u, 256u, 5000u}) {
    Writer out;
    AppendDerHeader(out, kDerBitString, length);
    out.Raw(Bytes(length, 7)).U8(9);
    Reader in(out.view(), "test");
    EXPECT_EQ(Must(TakeDerElement(in, kDerBitString)).size(), length);
    EXPECT_EQ(in.remaining(), 1u);
  }
}

TEST(DerElement, IsRefusedInAnyOtherForm) {
  for (std::string_view hex : {"", "30", "3001", "020100", "308105", "30817f", "3082", "308200",
                               "30820005", "308200ff", "3080", "30830000010000", "3084ffffffff"}) {
    const Bytes bytes = Must(ParseHex(hex));
    Reader in(bytes, "test");
    const auto result = TakeDerElement(in, kDerSequence);
    ASSERT_FALSE(result) << hex;
    EXPECT_EQ(result.error().code, Code::kInvalidArgument);
  }
}

}  // namespace
}  // namespace lodekey::crypto
