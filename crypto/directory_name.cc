#include "crypto/directory_name.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/handle.h"
#include "crypto/oid.h"

namespace lodekey::crypto {
namespace {

void Append(const X509_NAME* name, size_t max, std::vector<NameAttribute>& attributes) {
  const int count = X509_NAME_entry_count(name);
  for (int i = 0; i < count && attributes.size() < max; ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
    if (size < 0) continue;
    const CHandle<unsigned char, [](unsigned char* bytes) { OPENSSL_free(bytes); }> owner(text);
    attributes.push_back(
        {.oid = DottedOid(X509_NAME_ENTRY_get_object(entry)),
         .value = {reinterpret_cast<const char*>(text), static_cast<size_t>(size)}});
  }
}

}  // namespace

std::vector<NameAttribute> DirectoryNameAttributes(const Certificate& certificate, size_t max) {
  const CHandle<GENERAL_NAMES, GENERAL_NAMES_free> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.x509(), NID_subject_alt_name, nullptr, nullptr)));
  std::vector<NameAttribute> attributes;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {  // -1: no extension
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DIRNAME) Append(name->d.directoryName, max, attributes);
  }
  ERR_clear_error();
  return attributes;
}

}  // namespace lodekey::crypto
