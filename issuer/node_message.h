// A node as the admin API shows it, and PCR values both ways.
#pragma once

#include "base/result.h"
#include "issuer/context.h"
#include "issuer/node_record.h"
#include "lodekey/admin/v1/admin_service.pb.h"

namespace lodekey::issuer {

lodekey::admin::v1::PcrValue EncodePcrValue(crypto::HashAlg bank, uint8_t pcr, ByteView value);
// Values of one bank; without any, an empty bank. kInvalidArgument ("values-malformed") for an
// unknown or a second bank, a register that does not exist or stands twice, a value of another size
// than the bank's.
Result<tpm::PcrBank> DecodePcrValues(
    const google::protobuf::RepeatedPtrField<lodekey::admin::v1::PcrValue>& values);

Result<lodekey::admin::v1::Node> EncodeNode(Context& context, const NodeRecord& record);

}  // namespace lodekey::issuer
