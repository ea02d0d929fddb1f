// The only translator between our types and messages. Everything that comes in is bounded here.
#pragma once

#include "attest/appraisal.h"
#include "attest/evidence.h"
#include "attest/verdict.h"
#include "base/result.h"
#include "base/time.h"
#include "lodekey/node/v1/node_service.pb.h"
#include "lodekey/verdict/v1/verdict.pb.h"

namespace lodekey::attest {

// Strings of protobuf's bytes fields.
std::string ToField(ByteView bytes);
Bytes FromField(const std::string& field);

lodekey::node::v1::PcrSelection EncodeSelection(const tpm::BankSelection& selection);
// kInvalidArgument for an unknown bank, registers above 23 or none.
Result<tpm::BankSelection> DecodeSelection(const lodekey::node::v1::PcrSelection& message);

lodekey::node::v1::PcrBank EncodeBank(const tpm::PcrBank& bank);
Result<tpm::PcrBank> DecodeBank(const lodekey::node::v1::PcrBank& message);

lodekey::node::v1::Evidence EncodeEvidence(const Evidence& evidence);
// kInvalidArgument, name "evidence-malformed", when a field is larger than it can honestly be.
Result<Evidence> DecodeEvidence(const lodekey::node::v1::Evidence& message);

lodekey::node::v1::Certification EncodeCertification(const Certification& certification);
Result<Certification> DecodeCertification(const lodekey::node::v1::Certification& message);

// What became of the evidence: `outcome` and `failed` are those of the verdict itself, or, where
// the policy was asked, what it made of them.
lodekey::verdict::v1::Verdict EncodeVerdict(const Verdict& verdict, Outcome outcome,
                                            const std::vector<FailedRule>& failed, Time judged);

}  // namespace lodekey::attest
