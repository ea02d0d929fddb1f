#include "crypto/digest.h"

#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

namespace lodekey::crypto {
namespace {

struct Algorithm {
  HashAlg alg;
  std::string_view name;
  const char* openssl_name;
  size_t size;
};

constexpr std::array<Algorithm, 4> kAlgorithms = {{
    {HashAlg::kSha1, "sha1", "SHA1", 20},
    {HashAlg::kSha256, "sha256", "SHA2-256", 32},
    {HashAlg::kSha384, "sha384", "SHA2-384", 48},
    {HashAlg::kSha512, "sha512", "SHA2-512", 64},
}};

constexpr const Algorithm& Describe(HashAlg alg) { return kAlgorithms[static_cast<size_t>(alg)]; }
static_assert(Describe(HashAlg::kSha512).alg == HashAlg::kSha512);

// Digests have no input that can fail: a failure means that OpenSSL has no such algorithm or no
// memory, and no caller could go on.
void Require(bool ok) {
  if (!ok) std::abort();
}

Hasher& ThreadHasher(HashAlg alg) {
  thread_local std::array<Hasher, 4> hashers = {Hasher(HashAlg::kSha1), Hasher(HashAlg::kSha256),
                                                Hasher(HashAlg::kSha384), Hasher(HashAlg::kSha512)};
  return hashers[static_cast<size_t>(alg)];
}

Hasher& Feed(HashAlg alg, std::initializer_list<ByteView> parts) {
  Hasher& hasher = ThreadHasher(alg);
  for (ByteView part : parts) hasher.Update(part);
  return hasher;
}

EVP_MAC* FetchedHmac() {
  static EVP_MAC* const mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  return mac;
}

}  // namespace

size_t DigestSize(HashAlg alg) { return Describe(alg).size; }

std::string_view HashName(HashAlg alg) { return Describe(alg).name; }

Result<HashAlg> ParseHashName(std::string_view name) {
  for (const Algorithm& algorithm : kAlgorithms) {
    if (algorithm.name == name) return algorithm.alg;
  }
  return Fail(Code::kInvalidArgument,
              fmt::format("'{}' is not one of sha1, sha256, sha384, sha512", name));
}

const EVP_MD* FetchedDigest(HashAlg alg) {
  // Kept until the process ends: destroying them would race with OpenSSL's own exit handler.
  static const std::array<const EVP_MD*, 4> fetched = [] {
    std::array<const EVP_MD*, 4> all{};
    for (const Algorithm& algorithm : kAlgorithms) {
      const EVP_MD* md = EVP_MD_fetch(nullptr, algorithm.openssl_name, nullptr);
      Require(md != nullptr);
      all[static_cast<size_t>(algorithm.alg)] = md;
    }
    return all;
  }();
  return fetched[static_cast<size_t>(alg)];
}

Hasher::Hasher(HashAlg alg) : alg_(alg), context_(EVP_MD_CTX_new()) {
  Require(context_ != nullptr);
  Begin();
}

void Hasher::Begin() {
  Require(EVP_DigestInit_ex2(context_.get(), FetchedDigest(alg_), nullptr) == 1);
}

Hasher& Hasher::Update(ByteView data) {
  Require(EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1);
  return *this;
}

void Hasher::FinishInto(std::span<uint8_t> out) {
  Require(out.size() == DigestSize(alg_));
  Require(EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) == 1);
  Begin();
}

Bytes Hasher::Finish() {
  Bytes digest(DigestSize(alg_));
  FinishInto(digest);
  return digest;
}

Bytes Digest(HashAlg alg, std::initializer_list<ByteView> parts) {
  return Feed(alg, parts).Finish();
}

Bytes Digest(HashAlg alg, ByteView data) { return Digest(alg, {data}); }

Sha256Digest Sha256(std::initializer_list<ByteView> parts) {
  Sha256Digest digest;
  Feed(HashAlg::kSha256, parts).FinishInto(digest);
  return digest;
}

Sha256Digest Sha256(ByteView data) { return Sha256({data}); }

Bytes Hmac(HashAlg alg, ByteView key, std::initializer_list<ByteView> parts) {
  CHandle<EVP_MAC_CTX, EVP_MAC_CTX_free> context(EVP_MAC_CTX_new(FetchedHmac()));
  Require(context != nullptr);
  std::string name = Describe(alg).openssl_name;
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
      OSSL_PARAM_construct_end()};
  // A null key means "keep the last one" to OpenSSL: an empty key needs an address.
  const uint8_t* key_data = key.empty() ? reinterpret_cast<const uint8_t*>("") : key.data();
  Require(EVP_MAC_init(context.get(), key_data, key.size(), params) == 1);
  for (ByteView part : parts) {
    Require(EVP_MAC_update(context.get(), part.data(), part.size()) == 1);
  }
  Bytes mac(DigestSize(alg));
  size_t size = mac.size();
  Require(EVP_MAC_final(context.get(), mac.data(), &size, mac.size()) == 1 && size == mac.size());
  return mac;
}

}  // namespace lodekey::crypto
