// Owning pointer to an object of a C library: CHandle<EVP_PKEY, EVP_PKEY_free>. Pointer-sized.
#pragma once

#include <memory>

namespace lodekey {

template <auto kFree>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};

template <class T, auto kFree>
using CHandle = std::unique_ptr<T, FreeWith<kFree>>;

}  // namespace lodekey
