#include "crypto/oid.h"

#include <openssl/err.h>

#include "base/handle.h"

namespace lodekey::crypto {

std::string DottedOid(const ASN1_OBJECT* object) {
  const int size = OBJ_obj2txt(nullptr, 0, object, 1);
  if (size <= 0) return {};
  std::string text(static_cast<size_t>(size) + 1, '\0');
  OBJ_obj2txt(text.data(), static_cast<int>(text.size()), object, 1);
  text.pop_back();
  return text;
}

bool IsDottedOid(std::string_view text) {
  constexpr size_t kLongest = 128;
  if (text.size() > kLongest) return false;
  const CHandle<ASN1_OBJECT, ASN1_OBJECT_free> object(OBJ_txt2obj(std::string(text).c_str(), 1));
  ERR_clear_error();
  return object != nullptr && DottedOid(object.get()) == text;
}

}  // namespace lodekey::crypto
