#include <algorithm>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "crypto/certificate.h"
#include "crypto/der.h"
#include "crypto/padded_serial.h"
#include "crypto/ssl_error.h"

namespace lodekey::crypto {
namespace {

using Store = CHandle<X509_STORE, X509_STORE_free>;
using Context = CHandle<X509_STORE_CTX, X509_STORE_CTX_free>;
using Stack = CHandle<STACK_OF(X509), [](STACK_OF(X509) * stack) { sk_X509_free(stack); }>;

// Certificates between the leaf and the root. The longest EK chains in the field have four.
constexpr int kMaxIntermediates = 8;
// 112 bits: RSA 2048, P-256 and SHA-256 or above; RSA 1024 and SHA-1 signatures are refused.
constexpr int kSecurityLevel = 2;

// OpenSSL reports one error for a certificate, however many extensions it does not know: it passes
// only when the caller has judged them all.
bool AllAccepted(X509* x509, const std::vector<std::string>& accepted) {
  const Result<Bytes> der = EncodeDer<i2d_X509>(x509, "encode a certificate");
  if (!der) return false;
  const Result<Certificate> certificate = Certificate::FromDer(*der);
  if (!certificate) return false;
  const std::vector<std::string> unknown = certificate->UnknownCriticalExtensions();
  return std::all_of(unknown.begin(), unknown.end(), [&accepted](const std::string& oid) {
    return std::find(accepted.begin(), accepted.end(), oid) != accepted.end();
  });
}

// Ours for one of OpenSSL's: a path consists of what we put in.
const Certificate* Find(const X509* x509, const std::vector<Certificate>& among) {
  const auto found = std::find_if(among.begin(), among.end(),
                                  [x509](const Certificate& each) { return each.x509() == x509; });
  return found == among.end() ? nullptr : &*found;
}

struct Question {
  const Certificate& leaf;
  const std::vector<Certificate>& intermediates;
  const std::vector<Certificate>& roots;
  const ChainOptions& options;

  const Certificate* Find(const X509* x509) const {
    if (leaf.x509() == x509) return &leaf;
    const Certificate* root = crypto::Find(x509, roots);
    return root != nullptr ? root : crypto::Find(x509, intermediates);
  }
};

// What OpenSSL objects to and we may let pass: each excuses itself and nothing else.
bool MayPass(int error, X509* x509, const Question& question) {
  if (error == X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION) {
    return AllAccepted(x509, question.options.accepted_critical);
  }
  if (error == X509_V_ERR_CERT_SIGNATURE_FAILURE) {
    // OpenSSL looks at mended bytes: CheckPaddedSerials judges those that were signed.
    const Certificate* certificate = question.Find(x509);
    return certificate != nullptr && certificate->has_padded_serial();
  }
  return false;
}

int OnVerify(int ok, X509_STORE_CTX* context) {
  if (ok == 1) return 1;
  const auto* question = static_cast<const Question*>(X509_STORE_CTX_get_app_data(context));
  X509* x509 = X509_STORE_CTX_get_current_cert(context);
  if (!MayPass(X509_STORE_CTX_get_error(context), x509, *question)) return 0;
  X509_STORE_CTX_set_error(context, X509_V_OK);
  return 1;
}

void Configure(X509_STORE_CTX* context, Question& question) {
  const ChainOptions& options = question.options;
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context);
  unsigned long flags = 0;
  if (options.partial) flags |= X509_V_FLAG_PARTIAL_CHAIN;
  if (options.at) {
    X509_VERIFY_PARAM_set_time(param, std::chrono::system_clock::to_time_t(*options.at));
  } else {
    flags |= X509_V_FLAG_NO_CHECK_TIME;
  }
  X509_VERIFY_PARAM_set_flags(param, flags);
  X509_VERIFY_PARAM_set_depth(param, kMaxIntermediates);
  X509_VERIFY_PARAM_set_auth_level(param, kSecurityLevel);
  X509_STORE_CTX_set_app_data(context, &question);
  X509_STORE_CTX_set_verify_cb(context, OnVerify);
}

std::unexpected<Error> NoPath(X509_STORE_CTX* context) {
  const int error = X509_STORE_CTX_get_error(context);
  std::string at;
  if (X509* x509 = X509_STORE_CTX_get_current_cert(context); x509 != nullptr) {
    CHandle<char, [](char* p) { OPENSSL_free(p); }> subject(
        X509_NAME_oneline(X509_get_subject_name(x509), nullptr, 0));
    if (subject != nullptr) at = fmt::format(", certificate '{}'", subject.get());
  }
  const int depth = X509_STORE_CTX_get_error_depth(context);
  ERR_clear_error();
  return Fail(Code::kUntrusted,
              fmt::format("no trusted path: {} (at depth {}{})",
                          X509_verify_cert_error_string(error), depth, at),
              {.detail = Detail{.source = Detail::Source::kOpenSsl,
                                .number = static_cast<uint64_t>(error)}});
}

// The signatures that OpenSSL could not judge, and whether a padded trust anchor is itself trusted
// and not merely alike.
Result<void> CheckPaddedSerials(const std::vector<Certificate>& path,
                                const std::vector<Certificate>& roots) {
  for (size_t i = 0; i < path.size(); ++i) {
    if (!path[i].has_padded_serial()) continue;
    const bool anchor = i + 1 == path.size();
    const bool good =
        anchor ? std::any_of(roots.begin(), roots.end(),
                             [&](const Certificate& root) { return root.der() == path[i].der(); })
               : VerifiesAsWritten(path[i], path[i + 1].key());
    if (good) continue;
    return Fail(Code::kUntrusted,
                fmt::format("no trusted path: certificate signature failure (at depth {})", i),
                {.detail = Detail{.source = Detail::Source::kOpenSsl,
                                  .number = X509_V_ERR_CERT_SIGNATURE_FAILURE}});
  }
  return {};
}

}  // namespace

Result<std::vector<Certificate>> BuildChain(const Certificate& leaf,
                                            const std::vector<Certificate>& intermediates,
                                            const std::vector<Certificate>& roots,
                                            const ChainOptions& options) {
  Store store(X509_STORE_new());
  Stack untrusted(sk_X509_new_null());
  Context context(X509_STORE_CTX_new());
  bool ready = store != nullptr && untrusted != nullptr && context != nullptr;
  for (const Certificate& root : roots) {
    ready = ready && X509_STORE_add_cert(store.get(), root.x509()) == 1;
  }
  for (const Certificate& each : intermediates) {
    ready = ready && sk_X509_push(untrusted.get(), each.x509()) > 0;
  }
  if (!ready ||
      X509_STORE_CTX_init(context.get(), store.get(), leaf.x509(), untrusted.get()) != 1) {
    return FailSsl(Code::kInternal, "prepare to verify a certificate");
  }
  Question question{leaf, intermediates, roots, options};
  Configure(context.get(), question);
  if (X509_verify_cert(context.get()) != 1) return NoPath(context.get());

  std::vector<Certificate> path = {leaf};
  const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(context.get());
  for (int i = 1; i < sk_X509_num(chain); ++i) {
    const Certificate* certificate = question.Find(sk_X509_value(chain, i));
    if (certificate == nullptr) return Fail(Code::kInternal, "a certificate from nowhere");
    path.push_back(*certificate);
  }
  RETURN_IF_ERROR(CheckPaddedSerials(path, roots), "padded serial number");
  return path;
}

}  // namespace lodekey::crypto
