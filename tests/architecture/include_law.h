// The folder law (docs/architecture.md): which part of the tree may include what. "May include" is
// not transitive: what a file names, its part must be allowed to name.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lodekey::test {

// Paths relative to the root of the tree, with '/', and what the files contain.
using SourceTree = std::map<std::string, std::string>;

struct Violation {
  std::string file;
  size_t line = 0;  // 1-based; 0: the file itself, by its name or place
  std::string reason;

  bool operator==(const Violation&) const = default;
};

// "file:line: reason", one violation per line.
std::string Describe(const std::vector<Violation>& violations);

// The part of the tree that `path` belongs to, as the law's table names it ("tpm_wire"), or ""
// where the law knows no such place.
std::string_view PartOf(std::string_view path);

// The party behind `<header>`: "std", "linux", "openssl", …, or "" where the law knows none.
std::string_view PartyOf(std::string_view header);

// Every breach of the law in `tree`, by file and line. A file in an unknown place, of an unknown
// kind, or including what nobody knows is a breach too.
std::vector<Violation> Judge(const SourceTree& tree);

// What `path` contains; empty where it cannot be read.
std::string ReadTextFile(const std::string& path);

// The files below `root` that the law speaks of: all but build output and what begins with a dot.
SourceTree ReadSourceTree(const std::string& root);

}  // namespace lodekey::test
