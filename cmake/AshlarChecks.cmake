# Tests of the tree itself: who includes whom, tables that are fresh, headers that compile alone, and an
# install that another project can use. The sanitizers' builds leave them out; they would find nothing new there.
if(NOT ASHLAR_TESTS OR ASHLAR_SANITIZE)
  return()
endif()

find_package(Python3 COMPONENTS Interpreter REQUIRED)
add_test(NAME layering COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/ci/layering)
add_test(NAME layering_control COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/ci/layering --self-test)
set_tests_properties(layering layering_control PROPERTIES LABELS tree TIMEOUT 60)

# Wrong words end in 3 before anything is built.
add_test(NAME gate_script_words COMMAND bash -c
  "for ref in no-such-commit --margin ''; do '${PROJECT_SOURCE_DIR}/ci/gate' $ref; test $? -eq 3 || exit 1; done")
set_tests_properties(gate_script_words PROPERTIES LABELS tree TIMEOUT 60)

# No kernel spills registers. (Machine code is read by ci/gpu, where there is cuobjdump.)
add_test(NAME kernels_control COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/ci/kernels --self-test)
set_tests_properties(kernels_control PROPERTIES LABELS tree TIMEOUT 60)
add_test(NAME sass_control COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/ci/sass --self-test)
set_tests_properties(sass_control PROPERTIES LABELS tree TIMEOUT 60)
if(ASHLAR_HAVE_CUDA)
  add_test(NAME kernels COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/ci/kernels ${PROJECT_BINARY_DIR})
  set_tests_properties(kernels PROPERTIES LABELS tree TIMEOUT 60)
endif()

# The tables in the READMEs are what this program makes of the committed records.
add_test(NAME tables_control COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/ci/tables --self-test)
set_tests_properties(tables_control PROPERTIES LABELS tree TIMEOUT 60)
if(TARGET ashlar)
  add_test(NAME tables_fresh
    COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/ci/tables --check --program $<TARGET_FILE:ashlar>)
  set_tests_properties(tables_fresh PROPERTIES LABELS tree TIMEOUT 120)
endif()

# Each header needs nothing before it, and has its guard: where a source file of the same name includes it
# first, that is the proof; the others are compiled alone.
set(patterns impls/*.hpp)
if(ASHLAR_HARNESS)
  list(APPEND patterns harness/*.hpp baselines/*.hpp suites/*.hpp)
endif()
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} ${patterns})
list(FILTER headers EXCLUDE REGEX "_inl\\.hpp$")  # text that is included in the middle of other files
set(sources)
foreach(header IN LISTS headers)
  file(STRINGS ${header} guard REGEX "^#pragma once$|^#if.*HWY_TARGET_TOGGLE" LIMIT_COUNT 1)
  if(NOT guard)
    message(FATAL_ERROR "${header}: no #pragma once")
  endif()
  string(REGEX REPLACE "\\.hpp$" ".cpp" own ${PROJECT_SOURCE_DIR}/${header})
  set(first)
  if(EXISTS ${own})
    file(STRINGS ${own} first REGEX "^#include" LIMIT_COUNT 1)
  endif()
  if(NOT first STREQUAL "#include \"${header}\"")
    set(source ${PROJECT_BINARY_DIR}/headers/${header}.cpp)
    file(CONFIGURE OUTPUT ${source} CONTENT "#include \"${header}\"\n" @ONLY)
    list(APPEND sources ${source})
  endif()
endforeach()
add_library(ashlar_headers OBJECT ${sources})
set_target_properties(ashlar_headers PROPERTIES UNITY_BUILD OFF)
# The libraries give the include folders of what their headers use.
foreach(folder impls baselines harness suites)
  if(folder STREQUAL "impls" OR ASHLAR_HARNESS)
    ashlar_libraries_below(${PROJECT_SOURCE_DIR}/${folder} libraries)
    target_link_libraries(ashlar_headers PRIVATE ${libraries})
  endif()
endforeach()
target_link_libraries(ashlar_headers PRIVATE ashlar_options $<TARGET_NAME_IF_EXISTS:Boost::program_options>)
target_compile_options(ashlar_headers PRIVATE -O0)

# Installs into an empty folder, and builds and runs cmake/consumer against that alone.
add_test(NAME install_and_consume
  COMMAND ${CMAKE_COMMAND} -DBUILD=${PROJECT_BINARY_DIR} -DGENERATOR=${CMAKE_GENERATOR}
          -DCOMPILER=${CMAKE_CXX_COMPILER} -DSOURCE=${PROJECT_SOURCE_DIR}
          -DPROGRAM=$<TARGET_NAME_IF_EXISTS:ashlar>
          -P ${CMAKE_CURRENT_LIST_DIR}/consumer/test.cmake)
set_tests_properties(install_and_consume PROPERTIES LABELS "tree;slow" TIMEOUT 300 COST 100)
