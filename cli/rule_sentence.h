// A failed rule as one sentence for a person.
#pragma once

#include <string>
#include <string_view>

#include "lodekey/verdict/v1/verdict.pb.h"

namespace lodekey::cli {

// Whether `code` has a sentence of its own; others get a general one from subject, expected and
// seen.
bool HasRuleSentence(std::string_view code);

// Ends with a full stop. Long hexadecimal values are abbreviated as far as they still differ;
// control characters are escaped.
std::string RuleSentence(const verdict::v1::FailedRule& rule);

}  // namespace lodekey::cli
