// The value of a Result in test code that cannot go on without it.
#pragma once

#include <stdexcept>
#include <type_traits>
#include <utility>

#include "base/result.h"

namespace lodekey::test {

// The value, or an exception with the error's text: GoogleTest reports it as the failure of the
// test.
template <class T>
T Must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text);
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

}  // namespace lodekey::test
