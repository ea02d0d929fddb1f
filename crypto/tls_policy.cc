#include "crypto/tls_policy.h"

#include <string_view>

#include <openssl/bio.h>
#include <openssl/conf.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/handle.h"
#include "crypto/ssl_error.h"

namespace lodekey::crypto {
namespace {

// What an openssl.cnf would say (config(5), "SSL Configuration"). A protocol that is switched off
// stays off even when a library asks for it as its minimum.
constexpr std::string_view kPolicy =
    "openssl_conf = init\n"
    "[init]\n"
    "ssl_conf = modules\n"
    "[modules]\n"
    "system_default = policy\n"
    "[policy]\n"
    "Protocol = -ALL,TLSv1.3\n"
    "NumTickets = 0\n";

// Once a process: OpenSSL 3.0 does not free the name of a set that another one replaces.
Result<void> AddServerParameters() {
  CHandle<X509_VERIFY_PARAM, X509_VERIFY_PARAM_free> param(X509_VERIFY_PARAM_new());
  if (!param) return FailSsl(Code::kInternal, "make verification parameters");
  // "ssl_server" is the set that every TLS client inherits (X509_STORE_CTX_set_default).
  RETURN_IF_ERROR(SslCheck(X509_VERIFY_PARAM_set1_name(param.get(), "ssl_server"), "name"),
                  "TLS policy");
  RETURN_IF_ERROR(
      SslCheck(X509_VERIFY_PARAM_set_purpose(param.get(), X509_PURPOSE_SSL_SERVER), "purpose"),
      "TLS policy");
  RETURN_IF_ERROR(
      SslCheck(X509_VERIFY_PARAM_set_trust(param.get(), X509_TRUST_SSL_SERVER), "trust"),
      "TLS policy");
  RETURN_IF_ERROR(
      SslCheck(X509_VERIFY_PARAM_set_flags(param.get(), X509_V_FLAG_NO_CHECK_TIME), "flags"),
      "TLS policy");
  return SslCheck(X509_VERIFY_PARAM_add0_table(param.release()), "verification parameters");
}

}  // namespace

Result<void> RequireFullTls13Handshakes() {
  // Registers the ssl_conf module; the system's own configuration is not read.
  RETURN_IF_ERROR(
      SslCheck(OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr), "initialise OpenSSL"),
      "TLS policy");
  OPENSSL_load_builtin_modules();
  const CHandle<CONF, NCONF_free> conf(NCONF_new(nullptr));
  const CHandle<BIO, BIO_free_all> text(
      BIO_new_mem_buf(kPolicy.data(), static_cast<int>(kPolicy.size())));
  long line = 0;
  if (!conf || !text || NCONF_load_bio(conf.get(), text.get(), &line) <= 0 ||
      CONF_modules_load(conf.get(), nullptr, 0) <= 0) {
    return FailSsl(Code::kInternal, "set the TLS policy");
  }
  return {};
}

Result<void> LeaveServerValidityToCaller() {
  static const Result<void> left = AddServerParameters();
  return left;
}

}  // namespace lodekey::crypto
