// Where a library's exceptions end: ours are values.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/result.h"

namespace lodekey {

// Runs `body`, which returns a Result. What a library throws in it (std::bad_alloc first of all)
// becomes kInternal; `what` names the body in the text ("a change").
template <class Body>
std::invoke_result_t<Body> Guarded(std::string_view what, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const std::exception& exception) {
    return Fail(Code::kInternal, std::string(what) + " threw: " + exception.what());
  } catch (...) {
    return Fail(Code::kInternal, std::string(what) + " threw what is no exception");
  }
}

}  // namespace lodekey
