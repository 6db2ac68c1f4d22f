# Run by ctest: cmake -DSOURCE=... -DBUILD=... -DGENERATOR=... -DCOMPILER=... [-DPROGRAM=ashlar] -P test.cmake
set(work ${BUILD}/consumer)
file(REMOVE_RECURSE ${work})

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${work}/prefix)
run(${CMAKE_COMMAND} -G ${GENERATOR} -S ${SOURCE}/cmake/consumer -B ${work}/build -DCMAKE_BUILD_TYPE=Release
    -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_PREFIX_PATH=${work}/prefix)
run(${CMAKE_COMMAND} --build ${work}/build)
run(${work}/build/consumer)
if(PROGRAM)
  run(${CMAKE_COMMAND} -E chdir ${work} ${work}/prefix/bin/${PROGRAM} list suites)
  # The program would find these in the source tree too, so that it starts proves nothing of them.
  file(GLOB_RECURSE resources RELATIVE ${SOURCE} ${SOURCE}/suites/*.toml ${SOURCE}/suites/*.csv ${SOURCE}/suites/*.py
       ${SOURCE}/baselines/*.py ${SOURCE}/harness/run/peer/*.py)
  list(FILTER resources EXCLUDE REGEX "_test[.]py$")
  foreach(resource IN LISTS resources)
    if(NOT EXISTS ${work}/prefix/share/ashlar/${resource})
      message(FATAL_ERROR "${resource} was not installed")
    endif()
  endforeach()
endif()
