// Drives a fuzz target without libFuzzer: every seed as it is, cut short, and with single bytes
// flipped. What libFuzzer once found and was kept as a seed is thereby tested in every build, under
// g++ and its sanitizers.
//
//   NAME_fuzz DIRECTORY…     exit code 0: all replayed; 1: no seed, or one could not be read
#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;

// Of one seed at most this many bytes are fed in cut or flipped, so that a boot log of 50 kB does
// not cost more than a nonce does; the cuts and flips are then spread evenly over it.
constexpr size_t kBudget = size_t{4} << 20;
// Headers and counts stand at the front: there nothing is left out.
constexpr size_t kFront = 256;

// What is being tried, for the message when it crashes. Written before each trial; the handler only
// copies it out.
char g_trial[512] = "";

void Name(const std::string& file, const char* change, size_t at) {
  std::snprintf(g_trial, sizeof(g_trial), "while trying %s %s %zu\n", file.c_str(), change, at);
}

void SayTrialAndDie(int signal) {
  const auto length = std::char_traits<char>::length(g_trial);
  [[maybe_unused]] const auto written = write(STDERR_FILENO, g_trial, length);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// The target gets memory of exactly the size of its input: a sanitizer then sees a read beyond it.
void Try(const uint8_t* data, size_t size) {
  const auto copy = std::make_unique_for_overwrite<uint8_t[]>(size);
  std::copy_n(data, size, copy.get());
  LLVMFuzzerTestOneInput(copy.get(), size);
}

// Every position of the front, and of the rest as many as the budget allows.
std::vector<size_t> Positions(size_t size) {
  const size_t trials = std::max<size_t>(kBudget / (size + 1), 1);
  const size_t step = size / trials + 1;
  std::vector<size_t> positions;
  for (size_t at = 0; at < size; at += at < kFront ? 1 : step) {
    positions.push_back(at);
  }
  return positions;
}

size_t Replay(const std::string& file, Bytes seed) {
  Name(file, "whole, bytes:", seed.size());
  Try(seed.data(), seed.size());
  const auto positions = Positions(seed.size());
  for (const size_t at : positions) {
    Name(file, "cut to", at);
    Try(seed.data(), at);
  }
  for (const size_t at : positions) {
    for (const uint8_t mask : {uint8_t{0xff}, uint8_t{0x01}}) {
      Name(file, mask == 0xff ? "with all bits flipped of byte" : "with bit 0 flipped of byte", at);
      seed[at] ^= mask;
      Try(seed.data(), seed.size());
      seed[at] ^= mask;
    }
  }
  return 1 + 3 * positions.size();
}

std::optional<Bytes> Read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  Bytes bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.good() && !file.eof()) {
    return std::nullopt;
  }
  return bytes;
}

// The regular files below `directory`, in the order of their names.
std::vector<std::filesystem::path> Seeds(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> seeds;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, error)) {
    if (entry.is_regular_file()) {
      seeds.push_back(entry.path());
    }
  }
  std::ranges::sort(seeds);
  return seeds;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGABRT, SayTrialAndDie);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  // The sanitizers have handlers of their own for it, which say more.
  std::signal(SIGSEGV, SayTrialAndDie);
#endif
  size_t files = 0;
  size_t trials = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& path : Seeds(argv[i])) {
      const auto seed = Read(path);
      if (!seed) {
        std::fprintf(stderr, "cannot read %s\n", path.c_str());
        return EXIT_FAILURE;
      }
      trials += Replay(path.filename().string(), *seed);
      ++files;
    }
  }
  if (files == 0) {
    std::fprintf(stderr, "no seed to replay: a target without a corpus tests nothing\n");
    return EXIT_FAILURE;
  }
  std::printf("%zu seeds, %zu inputs\n", files, trials);
  return EXIT_SUCCESS;
}
