#include "platform/suggestion.h"

#include <algorithm>
#include <numeric>

namespace lodekey::platform {
namespace {

constexpr size_t kNear = 2;
constexpr size_t kLongestWord = 128;  // bounds the quadratic comparison of foreign words

// Levenshtein's distance, one row at a time.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string_view LastPart(std::string_view key) {
  const size_t dot = key.rfind('.');
  return dot == std::string_view::npos ? key : key.substr(dot + 1);
}

}  // namespace

std::optional<std::string> SuggestFor(std::string_view word,
                                      const std::vector<std::string>& candidates) {
  if (word.size() > kLongestWord) return {};
  const std::string* nearest = nullptr;
  size_t best = kNear + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(word, candidate);
    // Two edits turn any two-letter word into any other: a suggestion keeps part of the word.
    if (distance < best && distance < candidate.size()) {
      nearest = &candidate;
      best = distance;
    }
  }
  if (nearest != nullptr) return *nearest;

  std::optional<std::string> relative;
  for (const std::string& candidate : candidates) {
    if (LastPart(candidate) != LastPart(word)) continue;
    if (relative) return {};
    relative = candidate;
  }
  return relative;
}

}  // namespace lodekey::platform
