// What the issuer and its policy workers say to each other: a frame each way, over the socket that
// a worker has as descriptor 3. The worker is not to be believed: whatever it sends is bounded.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "issuer/policy_bundle.h"

namespace lodekey::issuer {

inline constexpr size_t kMaxPolicyInput = size_t{256} << 10;   // bytes of JSON
inline constexpr size_t kMaxPolicyOutput = size_t{256} << 10;  // bytes of JSON, or of an error
inline constexpr size_t kMaxPolicyRule = 1024;                 // bytes of its name

// What of a bundle is loaded: rules alone, or the tests of them as well.
enum class PolicyFiles : uint8_t { kDeciding, kAll };

// The first thing that a worker is told.
struct PolicyLoad {
  uint64_t memory = 0;  // bytes over what it has then
  Duration time = {};   // of the compilation, on the processor
  PolicyFiles files = PolicyFiles::kDeciding;
  PolicyBundle bundle;
};

struct PolicyQuestion {
  uint32_t number = 0;  // from 1 on
  std::string rule;     // "data.lodekey.issuance.decision"
  std::string input;    // a JSON document; empty: none
  Duration time = {};   // of the evaluation, on the processor
};

// To either.
struct PolicyAnswer {
  enum class Kind : uint8_t {
    kValue,      // the text is JSON
    kUndefined,  // the rule has no value
    kError,      // the text says why: "issuance.rego:12:5: message"
    kUnfit,      // the worker cannot give up what it must not have; the text says why
  };
  Kind kind = Kind::kError;
  std::string text = {};
  uint32_t number = 0;  // of the question; 0: to the load
};

Bytes Encode(const PolicyLoad& load);
Bytes Encode(const PolicyQuestion& question);
Bytes Encode(const PolicyAnswer& answer);
Result<PolicyLoad> DecodeLoad(ByteView bytes);
Result<PolicyQuestion> DecodeQuestion(ByteView bytes);
Result<PolicyAnswer> DecodeAnswer(ByteView bytes);

inline constexpr size_t kMaxLoadFrame =
    kMaxPolicyBytes + kMaxPolicyFiles * kMaxPolicyFileName + kMaxPolicyFiles * 6 + 64;
inline constexpr size_t kMaxQuestionFrame = kMaxPolicyInput + kMaxPolicyRule + 64;
inline constexpr size_t kMaxAnswerFrame = kMaxPolicyOutput + 64;

using SteadyTime = std::chrono::steady_clock::time_point;

// A frame is a 32-bit length and as many bytes. kTimeout after `deadline`, kUnavailable when nobody
// is at the other end, kInvalidArgument for one larger than `max`.
Result<void> SendFrame(int socket, ByteView body, SteadyTime deadline);
Result<Bytes> ReceiveFrame(int socket, size_t max, SteadyTime deadline);

}  // namespace lodekey::issuer
