// A worker that answers each question as if it were the one before: with its number. What answers
// should be refused by is then the number alone.
#include "issuer/policy_wire.h"
#include "platform/child_process.h"

namespace {

using namespace lodekey;

constexpr issuer::SteadyTime kNever = issuer::SteadyTime::max();

Result<void> Answer(uint32_t number) {
  return issuer::SendFrame(
      platform::kChildSocket,
      Encode(issuer::PolicyAnswer{
          .kind = issuer::PolicyAnswer::Kind::kValue, .text = "1", .number = number}),
      kNever);
}

Result<void> Serve() {
  ASSIGN_OR_RETURN(const Bytes load,
                   issuer::ReceiveFrame(platform::kChildSocket, issuer::kMaxLoadFrame, kNever),
                   "load");
  RETURN_IF_ERROR(Answer(0), "load");
  for (;;) {
    ASSIGN_OR_RETURN(
        const Bytes frame,
        issuer::ReceiveFrame(platform::kChildSocket, issuer::kMaxQuestionFrame, kNever), "hear");
    ASSIGN_OR_RETURN(const auto question, issuer::DecodeQuestion(frame), "read");
    RETURN_IF_ERROR(Answer(question.number - 1), "answer");
  }
}

}  // namespace

int main() { return Serve() ? 0 : 1; }
