# cmake -D OUT=file.cc -D FILES=a.rego;b.json -P EmbedFiles.cmake: the files as bytes, so that neither
# their quotes nor a compiler's limit on literals matter. Defines issuer/shipped_policy.h.
set(arrays "")
set(table "")
set(number 0)
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${hex}")
  string(APPEND arrays "constexpr char kFile${number}[] = {${bytes}};\n")
  string(APPEND table "    {\"${name}\", {kFile${number}, sizeof kFile${number}}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUT} "#include \"issuer/shipped_policy.h\"

namespace lodekey::issuer {
namespace {

${arrays}
constexpr ShippedFile kFiles[] = {
${table}};

}  // namespace

std::span<const ShippedFile> ShippedPolicyFiles() { return kFiles; }

}  // namespace lodekey::issuer
")
