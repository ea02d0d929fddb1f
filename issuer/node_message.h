// A node as the admin API shows it.
#pragma once

#include "base/result.h"
#include "issuer/context.h"
#include "issuer/node_record.h"
#include "lodekey/admin/v1/admin_service.pb.h"

namespace lodekey::issuer {

lodekey::admin::v1::PcrValue EncodePcrValue(crypto::HashAlg bank, uint8_t pcr, ByteView value);
Result<lodekey::admin::v1::Node> EncodeNode(Context& context, const NodeRecord& record);

}  // namespace lodekey::issuer
