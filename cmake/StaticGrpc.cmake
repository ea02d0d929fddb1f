# lodekey_grpc with gRPC, protobuf and all they use linked statically: the release build.
#
# Debian ships the archives, but its CMake packages and .pc files lead to the shared libraries. The
# list comes from pkg-config all the same; each library on it is then looked up by the file name of
# its archive, in variables of this file's own, so that no earlier look-up of a shared library can
# answer. One library that has no archive ends the configuration: a release that would quietly need
# libgrpc++.so on the host is worse than none.
find_package(ZLIB REQUIRED)
pkg_check_modules(LODEKEY_GRPC_ARCHIVES REQUIRED QUIET grpc++ protobuf)

set(_libraries ${LODEKEY_GRPC_ARCHIVES_STATIC_LIBRARIES})
list(REMOVE_DUPLICATES _libraries)
# What every Debian host has and gets security updates for stays shared: OpenSSL, zlib, and glibc
# with its parts. libatomic is linked where the compiler asks for it.
list(REMOVE_ITEM _libraries ssl crypto z c m dl rt pthread atomic)

set(_archives "")
set(_missing "")
foreach(_library IN LISTS _libraries)
  find_library(LODEKEY_ARCHIVE_${_library}
    NAMES lib${_library}.a
    HINTS ${LODEKEY_GRPC_ARCHIVES_STATIC_LIBRARY_DIRS})
  mark_as_advanced(LODEKEY_ARCHIVE_${_library})
  if(LODEKEY_ARCHIVE_${_library} MATCHES "\\.a$")
    list(APPEND _archives ${LODEKEY_ARCHIVE_${_library}})
  else()
    list(APPEND _missing lib${_library}.a)
  endif()
endforeach()
if(_missing OR NOT _archives)
  message(FATAL_ERROR "A static gRPC needs archives that are not installed: ${_missing}")
endif()

# xDS (service meshes) is a fifth of what is linked, and nothing here speaks it. gRPC registers it in
# one function and has a build without it, in which that function is empty (GRPC_NO_XDS); an object
# that defines it is taken before the archive's.
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/grpc_without_xds.cc @ONLY CONTENT
"namespace grpc_core {
class CoreConfiguration {
 public:
  class Builder;
};
void RegisterExtraFilters(CoreConfiguration::Builder*) {}
}  // namespace grpc_core
")
add_library(lodekey_grpc_without_xds OBJECT ${CMAKE_BINARY_DIR}/grpc_without_xds.cc)

# The archives refer to each other in circles: the linker has to read them as one group.
list(JOIN _archives "," _group)
add_library(lodekey_grpc INTERFACE)
target_include_directories(lodekey_grpc SYSTEM INTERFACE ${LODEKEY_GRPC_ARCHIVES_INCLUDE_DIRS})
target_link_libraries(lodekey_grpc INTERFACE
  $<TARGET_OBJECTS:lodekey_grpc_without_xds>
  "$<LINK_GROUP:RESCAN,${_group}>"
  # By name and not only as targets: a target that another library names too is moved in front of the
  # archives, where --as-needed drops it from programs that use TLS through gRPC alone.
  -lssl -lcrypto
  OpenSSL::SSL OpenSSL::Crypto ZLIB::ZLIB Threads::Threads)
