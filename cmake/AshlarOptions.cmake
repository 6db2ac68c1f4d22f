# Compile options shared by every target: one base instruction set for every tier (the naive one too),
# warnings as errors, and the sanitizers of the presets.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

find_program(ASHLAR_CCACHE ccache)
if(ASHLAR_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ASHLAR_CCACHE})
endif()
# With or without a cache; from one, what ptxas said comes along.
if(NOT CMAKE_CUDA_COMPILER_LAUNCHER)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CURRENT_LIST_DIR}/ptxas_report.sh)
  if(ASHLAR_CCACHE)
    list(APPEND CMAKE_CUDA_COMPILER_LAUNCHER ${ASHLAR_CCACHE})
  endif()
endif()

# x86-64-v3 with AES and PCLMUL is what Highway calls AVX2; faster instruction sets are chosen at run time.
add_library(ashlar_isa INTERFACE)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(ashlar_isa INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-march=x86-64-v3;-maes;-mpclmul>)
endif()

add_library(ashlar_options INTERFACE)
target_link_libraries(ashlar_options INTERFACE ashlar_isa)
# A function that nobody touched must not become slower because one before it grew: equal code from an
# equal offset in a cache line. Without this a commit elsewhere was seen to cost a loop 15 %.
target_compile_options(ashlar_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-falign-functions=64>)
target_compile_options(ashlar_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wnon-virtual-dtor;-Woverloaded-virtual>
  # Designated initialisers leave fields to their defaults on purpose.
  $<$<COMPILE_LANGUAGE:CXX>:-Wno-missing-field-initializers>)
if(ASHLAR_WERROR)
  target_compile_options(ashlar_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
target_include_directories(ashlar_options INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
if(ASHLAR_SANITIZE)
  # Everything in the build is instrumented, so that no frame is missing from a report.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${ASHLAR_SANITIZE}>
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-omit-frame-pointer>
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=all>
                      # A null pointer ends the program by itself; these checks cost a fifth of the build.
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=null,vptr,object-size>
                      # GCC 12 warns falsely of the standard library's own code once it is instrumented;
                      # the release build, which is not, still warns.
                      $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-maybe-uninitialized>
                      # Libraries that are opened at run time have types of their own.
                      $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-fno-sanitize=function>)
  add_link_options(-fsanitize=${ASHLAR_SANITIZE})
endif()
# The presets that are built from nothing compile several files as one, which takes half the time; preset
# dev compiles each alone, and ci/tidy looks at each alone.
set(ASHLAR_BATCHES OFF)
if(CMAKE_UNITY_BUILD)
  set(ASHLAR_BATCHES ON)
  # Both are about names of one file, which then share a file by accident only; preset dev still warns.
  add_compile_options($<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
  target_compile_options(ashlar_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-shadow>)
endif()

# Highway compiles a file once per instruction set by including it again: it must be the main file.
function(ashlar_keep_whole)
  foreach(source IN LISTS ARGN)
    file(STRINGS ${source} includes_itself REGEX "define HWY_TARGET_INCLUDE" LIMIT_COUNT 1)
    if(includes_itself)
      set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()
endfunction()

# ashlar_library(NAME FOLDER_ALIAS SOURCES ... [LIBS ...] [PRIVATE_LIBS ...]): one target per folder.
function(ashlar_library name)
  cmake_parse_arguments(A "" "ALIAS" "SOURCES;LIBS;PRIVATE_LIBS" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  ashlar_keep_whole(${A_SOURCES})
  if(A_ALIAS)
    add_library(ashlar::${A_ALIAS} ALIAS ${name})
  endif()
  target_link_libraries(${name} PUBLIC ${A_LIBS} PRIVATE $<BUILD_INTERFACE:ashlar_options> ${A_PRIVATE_LIBS})
  target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_compile_features(${name} PUBLIC cxx_std_20)
endfunction()
