// Result<T>: a value, or the Error that prevented it. Nodiscard, so that a dropped failure does not
// compile.
#pragma once

#include <expected>
#include <source_location>
#include <string>
#include <utility>

#include "base/error.h"

namespace lodekey {

// A class of its own and not an alias: g++ 12 does not warn when a plain std::expected is dropped.
template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
};

// What may accompany a failure besides its code and text; see Error.
struct Hint {
  std::string name = {};
  std::string advice = {};
  std::optional<Detail> detail = {};
};

// The one way to fail: `return Fail(Code::kNotFound, "no such node")`.
[[nodiscard]] inline std::unexpected<Error> Fail(
    Code code, std::string text, Hint hint = {},
    std::source_location where = std::source_location::current()) {
  return std::unexpected(Error{.code = code,
                               .text = std::move(text),
                               .name = std::move(hint.name),
                               .advice = std::move(hint.advice),
                               .where = where,
                               .detail = hint.detail});
}

}  // namespace lodekey

#define LODEKEY_CONCAT_INNER(a, b) a##b
#define LODEKEY_CONCAT(a, b) LODEKEY_CONCAT_INNER(a, b)

// Evaluates a Result and returns its Error from this function, with `context` in front of the text.
#define RETURN_IF_ERROR(expression, context) \
  LODEKEY_RETURN_IF_ERROR(LODEKEY_CONCAT(lodekey_result_, __COUNTER__), expression, context)
#define LODEKEY_RETURN_IF_ERROR(result, expression, context)              \
  do {                                                                    \
    if (auto result = (expression); !result) {                            \
      return std::unexpected(std::move(result.error()).Wrapped(context)); \
    }                                                                     \
  } while (false)

// The same, and binds the value: ASSIGN_OR_RETURN(auto key, ReadKey(path), "read the node key").
#define ASSIGN_OR_RETURN(declaration, expression, context)                                        \
  LODEKEY_ASSIGN_OR_RETURN(LODEKEY_CONCAT(lodekey_result_, __COUNTER__), declaration, expression, \
                           context)
#define LODEKEY_ASSIGN_OR_RETURN(result, declaration, expression, context) \
  auto result = (expression);                                              \
  if (!result) {                                                           \
    return std::unexpected(std::move(result.error()).Wrapped(context));    \
  }                                                                        \
  declaration = *std::move(result)
