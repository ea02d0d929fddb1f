#include "tests/architecture/include_law.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "tests/architecture/folder_law.h"

namespace lodekey::test {
namespace {

namespace fs = std::filesystem;

bool IsCode(std::string_view path) {
  static constexpr std::array kEndings{".h",  ".hh",  ".hpp", ".hxx", ".c",
                                       ".cc", ".cpp", ".cxx", ".ipp", ".inc"};
  return std::ranges::any_of(kEndings, [&](std::string_view end) { return path.ends_with(end); });
}

bool IsGenerated(std::string_view header) { return header.ends_with(".pb.h"); }

std::string_view TopFolder(std::string_view path) {
  const auto slash = path.find('/');
  return slash == path.npos ? std::string_view() : path.substr(0, slash);
}

// "tpm/public_area.h" -> "public_area".
std::string_view Stem(std::string_view path) {
  path.remove_prefix(path.rfind('/') + 1);
  return path.substr(0, path.find('.'));
}

// What stands between the delimiters of an #include, and whether they are quotes.
struct Include {
  size_t line = 0;
  std::string target = {};
  bool quoted = false;
};

std::string_view TrimLeft(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return text;
}

// The include that `line` is; an empty target where it names a macro.
std::optional<Include> ParseInclude(std::string_view line, size_t number) {
  line = TrimLeft(line);
  if (!line.starts_with('#')) {
    return std::nullopt;
  }
  line = TrimLeft(line.substr(1));
  if (!line.starts_with("include")) {
    return std::nullopt;
  }
  line = TrimLeft(line.substr(std::string_view("include").size()));
  const bool quoted = line.starts_with('"');
  const auto end = quoted ? line.find('"', 1) : line.find('>');
  if ((!quoted && !line.starts_with('<')) || end == line.npos) {
    return Include{.line = number};
  }
  return Include{.line = number, .target = std::string(line.substr(1, end - 1)), .quoted = quoted};
}

std::vector<Include> Includes(const std::string& text) {
  std::vector<Include> includes;
  std::istringstream lines(text);
  std::string line;
  for (size_t number = 1; std::getline(lines, line); ++number) {
    if (auto include = ParseInclude(line, number)) {
      includes.push_back(*std::move(include));
    }
  }
  return includes;
}

bool Contains(const std::vector<std::string_view>& list, std::string_view item) {
  return std::ranges::find(list, item) != list.end();
}

// The policy that is shipped: in the folder of the program that it is built into.
bool IsPolicy(std::string_view file) {
  return file.starts_with("issuer/policy/") && (file.ends_with(".rego") || file.ends_with(".json"));
}

// Of the one crate, what is not its header.
bool IsCrate(std::string_view file) {
  return file.starts_with("issuer/regorus/") &&
         (file.ends_with(".rs") || file.ends_with("/Cargo.toml") || file.ends_with("/Cargo.lock"));
}

// The reason why `file` may not be where it is, or "".
std::string JudgePlace(std::string_view file) {
  const auto folder = TopFolder(file);
  if (!folder.empty() && !Contains(KnownFolders(), folder)) {
    return fmt::format("the folder law does not know the folder '{}'", folder);
  }
  const auto part = PartOf(file);
  if (part.empty()) {
    return IsCode(file) ? "the folder law allows no code here" : "";
  }
  if (part == "proto") {
    return file.ends_with(".proto") || file.ends_with("/CMakeLists.txt")
               ? ""
               : "proto holds .proto files only";
  }
  if (IsCode(file) && !file.ends_with(".h") && !file.ends_with(".cc")) {
    return "code is in .h and .cc files";
  }
  if (IsCrate(file)) return "";
  if (part != "tests" && !IsCode(file) && !IsPolicy(file) && !file.ends_with("/CMakeLists.txt")) {
    return fmt::format("'{}' holds code only", folder);
  }
  return "";
}

std::string JudgeQuoted(const PartLaw& law, const SourceTree& tree, const std::string& target) {
  const bool generated = IsGenerated(target);
  if (!generated && !tree.contains(target)) {
    return fmt::format("\"{}\" is no file of this tree, named from its root", target);
  }
  if (target.ends_with(".grpc.pb.h") && !law.AllowsParty("grpc")) {
    return fmt::format("{} may not use gRPC (\"{}\")", law.part, target);
  }
  const auto part = generated ? std::string_view("proto") : PartOf(target);
  return law.AllowsPart(part) ? ""
                              : fmt::format("{} may not use {} (\"{}\")", law.part, part, target);
}

std::string JudgeAngled(const PartLaw& law, const std::string& target) {
  const auto party = PartyOf(target);
  if (party.empty()) {
    return fmt::format("the folder law does not know <{}>", target);
  }
  return law.AllowsParty(party) ? ""
                                : fmt::format("{} may not use {} (<{}>)", law.part, party, target);
}

std::string JudgeInclude(const PartLaw& law, const SourceTree& tree, const Include& include) {
  if (include.target.empty()) {
    return "an include through a macro cannot be judged";
  }
  return include.quoted ? JudgeQuoted(law, tree, include.target) : JudgeAngled(law, include.target);
}

}  // namespace

std::string_view PartOf(std::string_view path) {
  const auto folder = TopFolder(path);
  if (folder == "tpm") {
    return Contains(WireStems(), Stem(path)) ? "tpm_wire" : "tpm_device";
  }
  if (folder == "attest") {
    const auto stem = Stem(path);
    return stem.starts_with("collect") ? "attest_collect"
           : stem.ends_with("codec")   ? "attest_codec"
                                       : "attest";
  }
  if (folder == "tests" && TestFolder(path).empty()) {
    return path.ends_with("/CMakeLists.txt") ? "tests" : "";
  }
  return LawOf(folder) == nullptr ? std::string_view() : LawOf(folder)->part;
}

std::string Describe(const std::vector<Violation>& violations) {
  std::string text;
  for (const auto& violation : violations) {
    text += fmt::format("{}:{}: {}\n", violation.file, violation.line, violation.reason);
  }
  return text;
}

std::vector<Violation> Judge(const SourceTree& tree) {
  std::vector<Violation> violations;
  for (const auto& [file, text] : tree) {
    if (auto reason = JudgePlace(file); !reason.empty()) {
      violations.push_back({.file = file, .reason = std::move(reason)});
      continue;
    }
    const PartLaw* law = LawOf(PartOf(file));
    if (law == nullptr || !IsCode(file)) {
      continue;
    }
    for (const auto& include : Includes(text)) {
      if (auto reason = JudgeInclude(*law, tree, include); !reason.empty()) {
        violations.push_back({.file = file, .line = include.line, .reason = std::move(reason)});
      }
    }
  }
  return violations;
}

std::string ReadTextFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

SourceTree ReadSourceTree(const std::string& root) {
  SourceTree tree;
  auto entry = fs::recursive_directory_iterator(root);
  for (; entry != fs::recursive_directory_iterator(); ++entry) {
    const auto path = entry->path().lexically_relative(root).generic_string();
    if (entry->path().filename().string().starts_with('.') || path == "build") {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file()) {
      tree.emplace(path, IsCode(path) ? ReadTextFile(entry->path().string()) : std::string());
    }
  }
  return tree;
}

}  // namespace lodekey::test
