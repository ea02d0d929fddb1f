// OpenSSL 3 calls ENGINE and EC_KEY deprecated; gRPC 1.51 knows no other way to a key that is not
// in memory.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tpm/tls_key.h"

#include <map>
#include <mutex>
#include <utility>

#include <openssl/ec.h>
#include <openssl/engine.h>
#include <openssl/err.h>

#include "base/handle.h"
#include "crypto/ssl_error.h"

namespace lodekey::tpm {
namespace {

constexpr char kEngineId[] = "lodekey";
constexpr char kEngineName[] = "lodekey TPM key";
constexpr int kDigestSize = 32;

using EcKey = CHandle<EC_KEY, EC_KEY_free>;
using EvpPkey = CHandle<EVP_PKEY, EVP_PKEY_free>;
using EcdsaSig = CHandle<ECDSA_SIG, ECDSA_SIG_free>;

// What a reference names: the public key that OpenSSL compares with the certificate, and the
// signer.
struct Entry {
  crypto::PublicKey key;
  SignDigest sign;
};

// An EC_KEY refers to its entry weakly, so that keys that a TLS library still holds end with the
// TlsKey.
using EntryRef = std::weak_ptr<const Entry>;

class Registry {
 public:
  std::string Add(std::shared_ptr<const Entry> entry) {
    const std::lock_guard lock(mutex_);
    std::string id = std::to_string(++last_id_);
    entries_.emplace(id, std::move(entry));
    return id;
  }

  void Remove(const std::string& id) {
    const std::lock_guard lock(mutex_);
    entries_.erase(id);
  }

  std::shared_ptr<const Entry> Find(const std::string& id) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    return found == entries_.end() ? nullptr : found->second;
  }

 private:
  std::mutex mutex_;
  uint64_t last_id_ = 0;
  std::map<std::string, std::shared_ptr<const Entry>> entries_;
};

// Never destroyed: a TLS library may load or sign while statics are torn down.
Registry& TheRegistry() {
  static Registry& registry = *new Registry;
  return registry;
}

// Adds an error to OpenSSL's queue, which is where the TLS library looks for a reason.
void RaiseSslError(int reason, const std::string& text) {
  ERR_raise_data(ERR_LIB_ENGINE, reason, "%s", text.c_str());
}

void FreeRef(void* /*parent*/, void* ref, CRYPTO_EX_DATA* /*data*/, int /*index*/, long /*argl*/,
             void* /*argp*/) {
  delete static_cast<EntryRef*>(ref);
}

int CopyRef(CRYPTO_EX_DATA* /*to*/, const CRYPTO_EX_DATA* /*from*/, void** ref, int /*index*/,
            long /*argl*/, void* /*argp*/) {
  if (*ref != nullptr) *ref = new EntryRef(*static_cast<EntryRef*>(*ref));
  return 1;
}

int RefIndex() {
  static const int index = EC_KEY_get_ex_new_index(0, nullptr, nullptr, CopyRef, FreeRef);
  return index;
}

std::shared_ptr<const Entry> EntryOf(const EC_KEY* key) {
  const auto* ref = static_cast<const EntryRef*>(EC_KEY_get_ex_data(key, RefIndex()));
  return ref == nullptr ? nullptr : ref->lock();
}

// The sign_sig of our EC_KEY_METHOD; OpenSSL's own `sign` calls it and encodes the result.
ECDSA_SIG* SignWithEntry(const unsigned char* digest, int size, const BIGNUM* /*kinv*/,
                         const BIGNUM* /*rp*/, EC_KEY* key) {
  // Holds the function until it returns, whatever becomes of the TlsKey meanwhile.
  const std::shared_ptr<const Entry> entry = EntryOf(key);
  if (entry == nullptr) {
    RaiseSslError(ENGINE_R_NOT_LOADED, "the TPM key was withdrawn");
    return nullptr;
  }
  if (size != kDigestSize) {
    RaiseSslError(ENGINE_R_INVALID_ARGUMENT, "the TPM key signs SHA-256 digests only");
    return nullptr;
  }
  const Result<Bytes> der = entry->sign({digest, static_cast<size_t>(size)});
  if (!der) {
    RaiseSslError(ENGINE_R_FAILED_LOADING_PRIVATE_KEY, der.error().text);
    return nullptr;
  }
  const uint8_t* in = der->data();
  return d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(der->size()));
}

// Never freed: keys that outlive everything of ours point to it.
const EC_KEY_METHOD* Method() {
  static EC_KEY_METHOD* const method = [] {
    EC_KEY_METHOD* made = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    int (*sign)(int, const unsigned char*, int, unsigned char*, unsigned int*, const BIGNUM*,
                const BIGNUM*, EC_KEY*) = nullptr;
    int (*setup)(EC_KEY*, BN_CTX*, BIGNUM**, BIGNUM**) = nullptr;
    EC_KEY_METHOD_get_sign(made, &sign, &setup, nullptr);
    EC_KEY_METHOD_set_sign(made, sign, setup, SignWithEntry);
    return made;
  }();
  return method;
}

// A P-256 key with the entry's point, no private number, and our method. The method must be there
// before the EVP_PKEY takes the key: OpenSSL looks only then whether the key is foreign to its
// providers.
Result<EvpPkey> MakeKey(const std::shared_ptr<const Entry>& entry) {
  ASSIGN_OR_RETURN(const crypto::EcPoint point, entry->key.Point(), "read the public key");
  using BigNumber = CHandle<BIGNUM, BN_free>;
  const BigNumber x(BN_bin2bn(point.x.data(), static_cast<int>(point.x.size()), nullptr));
  const BigNumber y(BN_bin2bn(point.y.data(), static_cast<int>(point.y.size()), nullptr));
  EcKey key(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  EvpPkey evp(EVP_PKEY_new());
  if (!x || !y || !key || !evp) return crypto::FailSsl(Code::kInternal, "make a key");
  RETURN_IF_ERROR(
      crypto::SslCheck(EC_KEY_set_public_key_affine_coordinates(key.get(), x.get(), y.get()),
                       "set the public point"),
      "make a key");
  RETURN_IF_ERROR(crypto::SslCheck(EC_KEY_set_method(key.get(), Method()), "set the method"),
                  "make a key");
  auto ref = std::make_unique<EntryRef>(entry);
  RETURN_IF_ERROR(
      crypto::SslCheck(EC_KEY_set_ex_data(key.get(), RefIndex(), ref.get()), "set the signer"),
      "make a key");
  static_cast<void>(ref.release());  // the key frees it
  RETURN_IF_ERROR(crypto::SslCheck(EVP_PKEY_assign_EC_KEY(evp.get(), key.get()), "assign the key"),
                  "make a key");
  static_cast<void>(key.release());
  return evp;
}

EVP_PKEY* LoadPrivateKey(ENGINE* /*engine*/, const char* id, UI_METHOD* /*ui*/, void* /*data*/) {
  const std::shared_ptr<const Entry> entry = TheRegistry().Find(id);
  if (entry == nullptr) {
    RaiseSslError(ENGINE_R_NOT_LOADED, "no TPM key is registered under this name");
    return nullptr;
  }
  Result<EvpPkey> key = MakeKey(entry);
  if (!key) {
    RaiseSslError(ENGINE_R_FAILED_LOADING_PRIVATE_KEY, key.error().text);
    return nullptr;
  }
  return key->release();
}

Result<ENGINE*> AddEngine() {
  CHandle<ENGINE, ENGINE_free> engine(ENGINE_new());
  if (!engine) return crypto::FailSsl(Code::kInternal, "make an engine");
  RETURN_IF_ERROR(crypto::SslCheck(ENGINE_set_id(engine.get(), kEngineId), "set its id"), "engine");
  RETURN_IF_ERROR(crypto::SslCheck(ENGINE_set_name(engine.get(), kEngineName), "set its name"),
                  "engine");
  RETURN_IF_ERROR(
      crypto::SslCheck(ENGINE_set_load_privkey_function(engine.get(), LoadPrivateKey), "set load"),
      "engine");
  RETURN_IF_ERROR(crypto::SslCheck(ENGINE_add(engine.get()), "add the engine"), "engine");
  return engine.release();
}

// Never freed: gRPC 1.51 calls ENGINE_init for each key that it loads and never ENGINE_finish, so
// that references stay which OpenSSL's clean-up at exit does not undo.
Result<void> AddEngineOnce() {
  static const Result<ENGINE*> engine = AddEngine();
  if (!engine) return std::unexpected(engine.error());
  return {};
}

}  // namespace

Result<std::unique_ptr<TlsKey>> TlsKey::Register(const crypto::PublicKey& key, SignDigest sign) {
  if (key.type() != crypto::KeyType::kEcP256 || !sign) {
    return Fail(Code::kInvalidArgument, "register a TLS key: not a P-256 key with a signer");
  }
  RETURN_IF_ERROR(AddEngineOnce(), "register a TLS key");
  auto entry = std::make_shared<const Entry>(Entry{.key = key, .sign = std::move(sign)});
  return std::unique_ptr<TlsKey>(new TlsKey(TheRegistry().Add(std::move(entry))));
}

TlsKey::TlsKey(std::string id)
    : id_(std::move(id)), reference_(std::string("engine:") + kEngineId + ":" + id_) {}

TlsKey::~TlsKey() { TheRegistry().Remove(id_); }

}  // namespace lodekey::tpm
