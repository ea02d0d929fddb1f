#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "crypto/secret.h"
#include "platform/process.h"

namespace {

using lodekey::cli::ExitCode;

int Main(int argc, char** argv) {
  for (const auto& ready : {lodekey::platform::HardenProcess(), lodekey::crypto::InitCrypto()}) {
    if (ready) continue;
    std::cerr << lodekey::platform::FormatError("lodekey", ready.error(), false);
    return static_cast<int>(ExitCode::kFailure);
  }
  lodekey::cli::Surroundings surroundings = lodekey::cli::RealSurroundings(std::cout, std::cerr);
  return lodekey::cli::RunCommandLine(std::vector<std::string>(argv + 1, argv + argc),
                                      surroundings);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "lodekey: %s\n", exception.what());
    return static_cast<int>(ExitCode::kFailure);
  }
}
