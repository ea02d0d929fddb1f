#include "crypto/ssl_error.h"

#include <string>

#include <openssl/err.h>

namespace lodekey::crypto {
namespace {

// Foreign input can make OpenSSL queue many entries; a sentence needs only the first few.
constexpr int kMaxReasons = 8;

std::string Reason(unsigned long number, const char* data, int flags) {
  const char* known = ERR_reason_error_string(number);
  std::string reason = known != nullptr ? known : "error " + std::to_string(number);
  if ((flags & ERR_TXT_STRING) != 0 && data != nullptr && *data != '\0') {
    reason += std::string(" (") + data + ")";
  }
  return reason;
}

}  // namespace

std::unexpected<Error> FailSsl(Code code, std::string_view what, std::source_location where) {
  std::string text(what);
  std::optional<Detail> detail;
  const char* data = nullptr;
  int flags = 0;
  for (int count = 0;; ++count) {
    const unsigned long number = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags);
    if (number == 0) break;
    if (!detail) detail = Detail{.source = Detail::Source::kOpenSsl, .number = number};
    if (count >= kMaxReasons) continue;  // the queue is emptied all the same
    text += (count == 0 ? ": " : "; ") + Reason(number, data, flags);
  }
  return Fail(code, std::move(text), {.detail = detail}, where);
}

Result<void> SslCheck(int rc, std::string_view what, std::source_location where) {
  if (rc == 1) return {};
  return FailSsl(Code::kInternal, what, where);
}

}  // namespace lodekey::crypto
