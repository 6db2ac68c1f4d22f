# Run by the target `stage` with cmake -P: copies and strips, then says how large the stage is. Fails
# when a library is not found or the stage is larger than MOST_MIB.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE ${STAGE})
file(MAKE_DIRECTORY ${STAGE}/bin ${STAGE}/tests ${STAGE}/lib ${STAGE}/share/ashlar ${STAGE}/ci)

file(GET_RUNTIME_DEPENDENCIES
  EXECUTABLES ${PROGRAMS} ${TESTS}
  RESOLVED_DEPENDENCIES_VAR libraries
  UNRESOLVED_DEPENDENCIES_VAR missing
  POST_EXCLUDE_REGEXES "/ld-linux[^/]*$" "/lib(c|m|dl|rt|pthread)\\.so[^/]*$")
if(missing)
  message(FATAL_ERROR "stage: no file for ${missing}")
endif()

foreach(file IN LISTS PROGRAMS)
  file(COPY ${file} DESTINATION ${STAGE}/bin)
endforeach()
foreach(file IN LISTS TESTS)
  file(COPY ${file} DESTINATION ${STAGE}/tests)
endforeach()
foreach(library IN LISTS libraries)
  # A library is looked for by its soname, which the link of that name leads to.
  file(REAL_PATH ${library} real)
  get_filename_component(name ${library} NAME)
  configure_file(${real} ${STAGE}/lib/${name} COPYONLY)
endforeach()
file(GLOB binaries ${STAGE}/bin/* ${STAGE}/tests/* ${STAGE}/lib/*)
foreach(binary IN LISTS binaries)
  execute_process(COMMAND ${STRIP} --strip-unneeded ${binary} COMMAND_ERROR_IS_FATAL ANY)
endforeach()

file(COPY ${SOURCE}/suites ${SOURCE}/baselines DESTINATION ${STAGE}/share/ashlar
     FILES_MATCHING PATTERN "*.toml" PATTERN "*.csv" PATTERN "*.py" PATTERN "*_test.py" EXCLUDE
     PATTERN "__pycache__" EXCLUDE)
file(COPY ${SOURCE}/harness/run/peer DESTINATION ${STAGE}/share/ashlar/harness/run
     FILES_MATCHING PATTERN "*.py" PATTERN "__pycache__" EXCLUDE)
file(COPY ${SOURCE}/ci/gpu ${SOURCE}/ci/sass DESTINATION ${STAGE}/ci)

file(GLOB_RECURSE files ${STAGE}/*)
set(total 0)
foreach(file IN LISTS files)
  file(SIZE ${file} bytes)
  math(EXPR total "${total} + ${bytes}")
endforeach()
math(EXPR tenths "${total} * 10 / 1048576")
math(EXPR whole "${tenths} / 10")
math(EXPR rest "${tenths} % 10")
message(STATUS "stage: ${whole}.${rest} MiB in ${STAGE}")
math(EXPR most "${MOST_MIB} * 1048576")
if(total GREATER most)
  message(FATAL_ERROR "stage: ${whole}.${rest} MiB, at most ${MOST_MIB} MiB are allowed")
endif()
