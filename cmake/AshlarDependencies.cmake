# All packages are found here, at the top, since imported targets are visible only in the folder that found
# them and below. ci/setup installs every one of them on Debian 12.
find_package(hwy REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(Threads REQUIRED)
if(ASHLAR_THREADS STREQUAL "openmp")
  find_package(OpenMP REQUIRED COMPONENTS CXX)
endif()
if(ASHLAR_HARNESS)
  find_package(nlohmann_json 3.11 REQUIRED)
  find_package(tomlplusplus 3.3 REQUIRED)
  set(Boost_USE_STATIC_LIBS ${ASHLAR_PORTABLE})
  set(ZLIB_USE_STATIC_LIBS ${ASHLAR_PORTABLE})
  find_package(ZLIB REQUIRED)
  find_package(Boost 1.74 REQUIRED COMPONENTS program_options)
  find_package(benchmark QUIET)  # ashlar gbench
  find_package(simdjson 3 QUIET)  # reads a million records; without it nlohmann-json reads them, slower
  if(NOT ASHLAR_PORTABLE)
    find_package(dnnl QUIET)  # the unfused baselines and the bracket of the FMA peak
  endif()
endif()
