# Preset gpu-portable: the target `stage`, part of the default build, fills stage/ in the build folder
# with what a bare GPU machine needs: bin/ (ashlar), tests/ (those with the label gpu), lib/ (what is
# linked dynamically and no part of glibc), share/ashlar/ (claims and scripts of the suites) and ci/gpu.
set(programs)
if(TARGET ashlar)
  list(APPEND programs ashlar)
endif()
set(tests)
if(TARGET ashlar_tests_gpu)
  get_target_property(tests ashlar_tests_gpu MANUALLY_ADDED_DEPENDENCIES)
endif()

# DT_RPATH rather than DT_RUNPATH: it also serves the libraries that libraries in lib/ need.
foreach(target IN LISTS programs tests)
  set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN/../lib" BUILD_WITH_INSTALL_RPATH ON)
  target_link_options(${target} PRIVATE -Wl,--disable-new-dtags)
endforeach()

set(program_files)
foreach(target IN LISTS programs)
  list(APPEND program_files $<TARGET_FILE:${target}>)
endforeach()
set(test_files)
foreach(target IN LISTS tests)
  list(APPEND test_files $<TARGET_FILE:${target}>)
endforeach()

add_custom_target(stage ALL
  COMMAND ${CMAKE_COMMAND}
    -DSTAGE=${PROJECT_BINARY_DIR}/stage -DSOURCE=${PROJECT_SOURCE_DIR} -DSTRIP=${CMAKE_STRIP}
    "-DPROGRAMS=${program_files}" "-DTESTS=${test_files}" -DMOST_MIB=60
    -P ${CMAKE_CURRENT_LIST_DIR}/stage_files.cmake
  VERBATIM)
if(programs OR tests)
  add_dependencies(stage ${programs} ${tests})
endif()
