// The evaluator of policies (issuer/regorus/src), behind a C interface. One policy is one thread's
// at a time; texts that come in are UTF-8, need no terminator and are not kept. A function that
// takes `out` always writes it; it is the caller's, until lodekey_rego_free_text.
//
// What asks for more memory or stack than there is ends the process, and nothing here looks at the
// time: this belongs into a process that may be ended (issuer/policy_worker.cc).
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

struct lodekey_rego;

struct lodekey_rego_text {
  uint8_t* bytes;
  size_t size;
};

enum lodekey_rego_status {
  LODEKEY_REGO_DONE = 0,
  LODEKEY_REGO_UNDEFINED = 1,  // the rule has no value for this input
  LODEKEY_REGO_ERROR = 2,      // `out` says why: "issuance.rego:12:5: message"
};

// The rules of files that end in "_test.rego" are there `with_tests` only.
lodekey_rego* lodekey_rego_new(bool with_tests);
void lodekey_rego_free(lodekey_rego* policy);
void lodekey_rego_free_text(lodekey_rego_text text);

// Parses one file.
lodekey_rego_status lodekey_rego_add_file(lodekey_rego* policy, const uint8_t* name,
                                          size_t name_size, const uint8_t* text, size_t text_size,
                                          lodekey_rego_text* out);

// The document `data`: a JSON object.
lodekey_rego_status lodekey_rego_add_data(lodekey_rego* policy, const uint8_t* json, size_t size,
                                          lodekey_rego_text* out);

// Once, after all was added and before the first evaluation: checks whatever needs no input. `out`
// lists the test rules ("data.lodekey.issuance_test.test_other_user"), one a line.
lodekey_rego_status lodekey_rego_compile(lodekey_rego* policy, lodekey_rego_text* out);

// The value of `rule` ("data.lodekey.issuance.decision") as JSON. `input` is a JSON document, or
// empty: then there is no input. Nothing remains of an evaluation for the next.
lodekey_rego_status lodekey_rego_evaluate(const lodekey_rego* policy, const uint8_t* rule,
                                          size_t rule_size, const uint8_t* input, size_t input_size,
                                          lodekey_rego_text* out);

}  // extern "C"
