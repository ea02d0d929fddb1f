# Language level, warnings and hardening, as INTERFACE targets: nothing is set globally but what the
# compiler needs to agree on across translation units.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
include(CheckPIESupported)
check_pie_supported()

option(LODEKEY_TESTS "Build the tests" ON)
option(LODEKEY_FUZZ "Build the fuzz targets with libFuzzer (clang) instead of the replaying main" OFF)
option(LODEKEY_STATIC_GRPC "Link gRPC and protobuf statically (the release build)" OFF)
set(LODEKEY_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")
option(LODEKEY_COVERAGE "Instrument for gcov" OFF)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(lodekey_options INTERFACE)
target_include_directories(lodekey_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(lodekey_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Werror
  # Sanitizers and optimisation levels change what g++ 12 believes about lifetimes inside libstdc++.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-error=maybe-uninitialized -Wno-maybe-uninitialized>
  # Locations in errors and logs are those of the source tree, wherever it was built.
  -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=
  -fstack-protector-strong -fstack-clash-protection -fcf-protection
  -ftrivial-auto-var-init=zero)
target_compile_definitions(lodekey_options INTERFACE
  _GLIBCXX_ASSERTIONS
  LODEKEY_VERSION="${PROJECT_VERSION}"
  $<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=3>)
target_link_options(lodekey_options INTERFACE -Wl,-z,relro,-z,now)

# The release build leaves out what nothing refers to, and brings along its C++ runtime: that costs half
# a megabyte on disk and saves more than one of memory. Packed relocations take 2 kB where the usual
# ones take 340, all of which the loader reads at each start; glibc understands them since 2.36.
if(LODEKEY_STATIC_GRPC)
  target_link_options(lodekey_options INTERFACE
    -Wl,--as-needed -Wl,--gc-sections -Wl,-z,pack-relative-relocs -static-libstdc++ -static-libgcc)
endif()

if(LODEKEY_SANITIZE)
  add_compile_options(-fsanitize=${LODEKEY_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${LODEKEY_SANITIZE})
  target_compile_definitions(lodekey_options INTERFACE LODEKEY_SANITIZED)
  # Instrumented, fmt's argument store looks uninitialised to g++ 12.
  target_compile_options(lodekey_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>)
endif()
if(LODEKEY_FUZZ)
  # Coverage feedback for libFuzzer in every library; only the fuzz targets link its main.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(LODEKEY_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()
