// Certificates of endorsement keys as TPMs carry them: those that the captured hosts showed, and
// those that others published.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/certificate.h"
#include "crypto/directory_name.h"
#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::Must;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

namespace fs = std::filesystem;

constexpr std::string_view kEkCertificate = "2.23.133.8.1";  // tcg-kp-EKCertificate

fs::path Shared() {
  if (const char* given = std::getenv("LODEKEY_SHARED")) return given;
  const char* source = std::getenv("LODEKEY_SOURCE");
  return fs::path(source != nullptr ? source : ".") / "../shared";
}

Bytes ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<fs::path> FilesBelow(const fs::path& directory, std::string_view prefix,
                                 std::string_view suffix) {
  std::vector<fs::path> found;
  std::error_code none;
  for (const auto& entry : fs::recursive_directory_iterator(directory, none)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(suffix)) found.push_back(entry.path());
  }
  return found;
}

std::vector<Certificate> CapturedAuthorities() {
  std::vector<Certificate> authorities;
  for (const fs::path& path : FilesBelow(Shared() / "captures" / "ca", "", ".pem")) {
    authorities.push_back(Must(Certificate::FromPem(AsText(ReadAll(path)))));
  }
  return authorities;
}

std::vector<Certificate> SelfIssued(const std::vector<Certificate>& all) {
  std::vector<Certificate> roots;
  for (const Certificate& each : all) {
    if (each.subject() == each.issuer()) roots.push_back(each);
  }
  return roots;
}

TEST(CapturedEkCertificate, ChainsToTheAuthorityOfItsEmulator) {
  const auto paths = FilesBelow(Shared() / "captures", "ek-", ".crt.der");
  const auto authorities = CapturedAuthorities();
  if (paths.empty() || authorities.empty()) GTEST_SKIP() << "no captures at " << Shared();
  const auto roots = SelfIssued(authorities);
  ASSERT_EQ(roots.size(), 1u);
  for (const fs::path& path : paths) {
    const Certificate ek = Must(Certificate::FromDer(ReadAll(path)));
    EXPECT_THAT(ek.ExtendedKeyUsages(), Contains(kEkCertificate)) << path;
    EXPECT_THAT(ek.UnknownCriticalExtensions(), IsEmpty()) << path;
    EXPECT_EQ(FormatTime(ek.not_after()), "9999-12-31T23:59:59.000Z") << path;
    EXPECT_FALSE(ek.is_ca()) << path;
    EXPECT_THAT(DirectoryNameAttributes(ek),
                ElementsAre(NameAttribute{.oid = "2.23.133.2.1", .value = "id:00001014"},
                            NameAttribute{.oid = "2.23.133.2.2", .value = "swtpm"},
                            NameAttribute{.oid = "2.23.133.2.3", .value = "id:20191023"}))
        << path;
    EXPECT_EQ(DirectoryNameAttributes(ek, 1).size(), 1U) << "bounded";
    EXPECT_FALSE(ek.key().HasRocaFingerprint()) << path;
    const auto chain = BuildChain(ek, authorities, roots, {.at = ek.not_before()});
    ASSERT_TRUE(chain) << path << ": " << chain.error().text;
    EXPECT_EQ(chain->size(), 3u);
    EXPECT_FALSE(BuildChain(ek, {}, roots, {})) << path;
  }
}

// The DER of a certificate with the padding of its NV index cut off.
ByteView WithoutPadding(ByteView stored) {
  const size_t size = stored.size() < 4 ? 0 : size_t{4} + (size_t{stored[2]} << 8) + stored[3];
  return stored.first(std::min(size, stored.size()));
}

TEST(PublishedEkCertificate, IsReadEvenFromVendorsWithAnEncodingOfTheirOwn) {
  const auto paths = FilesBelow(Shared() / "corpus", "test_cert_utils.py#", ".der");
  if (paths.empty()) GTEST_SKIP() << "no published certificates at " << Shared();
  for (const fs::path& path : paths) {
    const Bytes stored = ReadAll(path);
    const auto certificate = Certificate::FromDer(WithoutPadding(stored));
    ASSERT_TRUE(certificate) << path << ": " << certificate.error().text;
    EXPECT_EQ(certificate->der(), ToBytes(WithoutPadding(stored)));
    EXPECT_FALSE(certificate->issuer().empty());
  }
}

TEST(PublishedEkCertificate, IsNotReadWithThePaddingOfItsNvIndex) {
  const auto paths = FilesBelow(Shared() / "corpus", "test_cert_utils.py#st_sha256", ".der");
  if (paths.empty()) GTEST_SKIP() << "no published certificates at " << Shared();
  const Bytes stored = ReadAll(paths.front());
  ASSERT_LT(WithoutPadding(stored).size(), stored.size());
  EXPECT_EQ(Certificate::FromDer(stored).error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace lodekey::crypto
