// Our codes and gRPC's status codes (its doc/statuscodes.md), by number: one table for both servers
// and both clients, without a header of gRPC.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace lodekey {

int GrpcStatusOf(Code code);

// `text` as the value of a header: ASCII on one line, with a blank for everything else.
std::string HeaderText(std::string_view text);

// The way back. Statuses that only gRPC itself gives have a meaning too: a resource that is
// exhausted is kUnavailable, a deadline that passed is kTimeout; what nobody here sends is
// kInternal. What became kInternal on the way out stays it.
Code CodeOfGrpcStatus(int status);

}  // namespace lodekey
