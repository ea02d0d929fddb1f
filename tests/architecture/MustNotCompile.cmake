# cmake -DCOMPILER=… -DFLAGS=response-file -DSOURCE=… -DBECAUSE=regex -P MustNotCompile.cmake
# See lodekey_must_not_compile in CMakeLists.txt beside this file.
set(ENV{LC_ALL} C)
set(check ${COMPILER} @${FLAGS} -fsyntax-only ${SOURCE})

execute_process(COMMAND ${check} -DTWIN_THAT_COMPILES RESULT_VARIABLE result ERROR_VARIABLE said)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "the twin of ${SOURCE} should compile, but:\n${said}")
endif()

execute_process(COMMAND ${check} RESULT_VARIABLE result ERROR_VARIABLE said)
if(result EQUAL 0)
  message(FATAL_ERROR "${SOURCE} compiles, and should not")
endif()
if(NOT said MATCHES "${BECAUSE}")
  message(FATAL_ERROR "${SOURCE} is refused, but not because of '${BECAUSE}':\n${said}")
endif()
