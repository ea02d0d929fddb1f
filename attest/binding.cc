#include "attest/binding.h"

#include "base/writer.h"

namespace lodekey::attest {
namespace {

std::string_view Label(Purpose purpose) {
  switch (purpose) {
    case Purpose::kEnrolQuote: return "lodekey/quote/enrol/v1";
    case Purpose::kEnrolCertify: return "lodekey/certify/enrol/v1";
    case Purpose::kAttestQuote: return "lodekey/quote/attest/v1";
    case Purpose::kEnrolDevId: return "lodekey/certify/devid/v1";
  }
  return "";
}

}  // namespace

crypto::Sha256Digest Bind(Purpose purpose, const BindingContext& context) {
  Writer writer;
  writer.Raw(Label(purpose))
      .Sized32(context.trust_domain)
      .Sized32(context.node_id)
      .Sized32(context.nonce);
  if (purpose != Purpose::kAttestQuote) writer.Sized32(context.activation_secret);
  writer.Sized32(context.ak_name).Sized32(context.key_name).Sized32(context.boot_log_digest);
  return crypto::Sha256(writer.view());
}

}  // namespace lodekey::attest
