// What lodekey-issuer is as "policy-worker", and nothing more: for tests that do not need the whole
// issuer.
#include <unistd.h>

#include "issuer/policy_engine.h"

int main() { ::_exit(lodekey::issuer::RunPolicyWorker()); }
