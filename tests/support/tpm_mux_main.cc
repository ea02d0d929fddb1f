// lodekey-tpm-mux UPSTREAM PATH: serves the swtpm behind the socket UPSTREAM to many programs at
// PATH, until SIGTERM.
#include <csignal>
#include <cstdio>

#include <fmt/format.h>

#include "tests/support/tpm_mux.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: lodekey-tpm-mux UPSTREAM PATH\n");
    return 2;
  }
  // Blocked before there are threads, so that only sigwait takes them.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  const auto mux = lodekey::test::TpmMux::Start(argv[1], argv[2]);
  if (!mux) {
    fmt::print(stderr, "lodekey-tpm-mux: {}\n", mux.error().text);
    return 1;
  }
  fmt::print("{}\n", (*mux)->tcti());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ending, &signal);
  return 0;
}
