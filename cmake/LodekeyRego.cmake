# lodekey_rego: issuer/regorus as a static library, made by cargo in the build tree. A host's own
# cargo is taken when it is new enough for the crates in Cargo.lock, else that of Debian 12's security
# updates (cargo-web, rustc-web).
set(_needed 1.88)
set(_source ${CMAKE_SOURCE_DIR}/issuer/regorus)

# The compiler beside a cargo, not whichever is first in PATH: an older one may be.
function(_lodekey_cargo_version out cargo)
  set(${out} 0 PARENT_SCOPE)
  get_filename_component(folder ${cargo} DIRECTORY)
  if(EXISTS ${cargo} AND EXISTS ${folder}/rustc)
    execute_process(COMMAND ${folder}/rustc --version OUTPUT_VARIABLE text ERROR_QUIET)
    if(text MATCHES "^rustc ([0-9]+\\.[0-9]+\\.[0-9]+)")
      set(${out} ${CMAKE_MATCH_1} PARENT_SCOPE)
    endif()
  endif()
endfunction()

find_program(LODEKEY_CARGO cargo PATHS $ENV{CARGO_HOME}/bin $ENV{HOME}/.cargo/bin)
set(_cargo "")
set(_found "")
foreach(_candidate IN ITEMS ${LODEKEY_CARGO} /usr/bin/cargo)
  _lodekey_cargo_version(_version ${_candidate})
  if(_version VERSION_GREATER_EQUAL _needed)
    set(_cargo ${_candidate})
    break()
  endif()
  string(APPEND _found "  ${_candidate}: ${_version}\n")
endforeach()
if(NOT _cargo)
  message(FATAL_ERROR "lodekey-issuer needs Rust ${_needed} or later, with cargo and rustc in one "
    "folder. On Debian 12: apt-get install cargo-web rustc-web\nFound:\n${_found}")
endif()
get_filename_component(_rustc ${_cargo} DIRECTORY)
string(APPEND _rustc /rustc)

if(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(_profile release)
  set(_flags --release)
else()
  set(_profile debug)
  set(_flags "")
endif()

set(_target ${CMAKE_BINARY_DIR}/cargo)
set(_archive ${_target}/${_profile}/liblodekey_rego.a)
# cargo lists its own sources in the .d file, but not what says which crates there are.
add_custom_command(
  OUTPUT ${_archive}
  COMMAND ${CMAKE_COMMAND} -E env RUSTC=${_rustc} ${_cargo} build --quiet --locked --lib ${_flags}
    --manifest-path ${_source}/Cargo.toml --target-dir ${_target}
  # A build that changes nothing leaves the archive as old as it was.
  COMMAND ${CMAKE_COMMAND} -E touch ${_archive}
  DEPENDS ${_source}/Cargo.toml ${_source}/Cargo.lock
  DEPFILE ${_target}/${_profile}/liblodekey_rego.d
  COMMENT "Building issuer/regorus with cargo"
  VERBATIM)
add_custom_target(lodekey_rego_archive DEPENDS ${_archive})

add_library(lodekey_rego INTERFACE)
add_dependencies(lodekey_rego lodekey_rego_archive)
target_link_libraries(lodekey_rego INTERFACE ${_archive} m dl Threads::Threads)
