#include "base/grpc_status.h"

#include <algorithm>
#include <array>

namespace lodekey {
namespace {

enum Status {
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kInternal = 13,
  kUnavailable = 14,
  kUnauthenticated = 16,
};

struct Row {
  Code code;
  Status status;
};

// Of rows with the same code or status the first counts.
constexpr auto kTable = std::to_array<Row>({{Code::kInvalidArgument, kInvalidArgument},
                                            {Code::kNotFound, kNotFound},
                                            {Code::kConflict, kAborted},
                                            {Code::kUntrusted, kUnauthenticated},
                                            {Code::kDenied, kPermissionDenied},
                                            {Code::kUnavailable, kUnavailable},
                                            {Code::kUnavailable, kResourceExhausted},
                                            {Code::kTimeout, kFailedPrecondition},
                                            {Code::kTimeout, kDeadlineExceeded},
                                            {Code::kInternal, kInternal},
                                            {Code::kHardware, kInternal}});

}  // namespace

int GrpcStatusOf(Code code) {
  const auto* const row = std::ranges::find(kTable, code, &Row::code);
  return row == kTable.end() ? kInternal : row->status;
}

Code CodeOfGrpcStatus(int status) {
  const auto* const row = std::ranges::find(kTable, status, &Row::status);
  return row == kTable.end() ? Code::kInternal : row->code;
}

std::string HeaderText(std::string_view text) {
  std::string safe;
  for (const char c : text) safe.push_back(c >= 0x20 && c < 0x7f ? c : ' ');
  return safe;
}

}  // namespace lodekey
