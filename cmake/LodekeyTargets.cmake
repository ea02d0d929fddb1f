# The one way to make a library and the one way to make a test.
include(GoogleTest)

# All tests labelled "no_grpc": what the thread sanitizer's build needs.
add_custom_target(no_grpc_tests)

# lodekey_library(NAME crypto SRCS a.cc DEPS lodekey_base OpenSSL::Crypto [PRIVATE_DEPS …])
# Makes lodekey_NAME. DEPS are what its headers and sources include: name each one, nothing is had
# through another target by chance. tests/architecture checks the includes against the folder law.
function(lodekey_library)
  cmake_parse_arguments(ARG "" "NAME" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(lodekey_${ARG_NAME} STATIC ${ARG_SRCS})
  target_link_libraries(lodekey_${ARG_NAME}
    PUBLIC lodekey_options ${ARG_DEPS}
    PRIVATE ${ARG_PRIVATE_DEPS})
endfunction()

# lodekey_executable(NAME lodekeyd SRCS main.cc DEPS …)
function(lodekey_executable)
  cmake_parse_arguments(ARG "" "NAME" "SRCS;DEPS" ${ARGN})
  add_executable(${ARG_NAME} ${ARG_SRCS})
  target_link_libraries(${ARG_NAME} PRIVATE lodekey_options ${ARG_DEPS})
  set_target_properties(${ARG_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# lodekey_test(NAME crypto_test SRCS a_test.cc DEPS lodekey_crypto LABELS unit no_grpc [TIMEOUT 60])
# Every TEST becomes a test of ctest under the labels; "no_grpc" marks what the thread sanitizer may
# run (Debian's gRPC is not instrumented).
function(lodekey_test)
  cmake_parse_arguments(ARG "" "NAME;TIMEOUT" "SRCS;DEPS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${ARG_NAME} ${ARG_SRCS})
  target_link_libraries(${ARG_NAME} PRIVATE lodekey_options ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  if("no_grpc" IN_LIST ARG_LABELS)
    add_dependencies(no_grpc_tests ${ARG_NAME})
  endif()
  # A parameter's printed value is no name: it may change with each run.
  gtest_discover_tests(${ARG_NAME} DISCOVERY_TIMEOUT 60 NO_PRETTY_VALUES)

  # A name that gtest's filter reads otherwise would pass without running anything. And:
  # gtest_discover_tests takes lists apart (of two labels only the first would be left, and all that
  # follows would be lost): properties are set on what it found.
  set(properties ${CMAKE_CURRENT_BINARY_DIR}/${ARG_NAME}_properties.cmake)
  file(WRITE ${properties} "if(${ARG_NAME}_TESTS)
  set_tests_properties(\${${ARG_NAME}_TESTS} PROPERTIES
    LABELS \"${ARG_LABELS}\"
    TIMEOUT ${ARG_TIMEOUT}
    FAIL_REGULAR_EXPRESSION \"Running 0 tests\"
    ENVIRONMENT \"LODEKEY_BIN=${CMAKE_BINARY_DIR}/bin;LODEKEY_SOURCE=${CMAKE_SOURCE_DIR}\")
endif()
")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${properties})
endfunction()
