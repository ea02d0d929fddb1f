// OpenSSL's error queue as our Error.
#pragma once

#include <source_location>
#include <string_view>

#include "base/result.h"

namespace lodekey::crypto {

// Drains the whole queue of this thread into the text: "<what>: <first reason>; <second>…".
[[nodiscard]] std::unexpected<Error> FailSsl(
    Code code, std::string_view what, std::source_location where = std::source_location::current());

// OpenSSL's success is 1. `what` says what was tried ("set issuer").
Result<void> SslCheck(int rc, std::string_view what,
                      std::source_location where = std::source_location::current());

}  // namespace lodekey::crypto
