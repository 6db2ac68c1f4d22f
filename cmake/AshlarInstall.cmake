# install() and find_package(ashlar): the libraries under impls/ as ashlar::<folder>, their headers under
# include/ashlar (so that "impls/core/tensor.hpp" is the same line inside and outside this repository),
# the program, and under share/ashlar what it reads at run time.
include(CMakePackageConfigHelpers)
set(ASHLAR_INSTALL_CMAKEDIR ${CMAKE_INSTALL_LIBDIR}/cmake/ashlar)

# The library targets of a folder and of the folders below it.
function(ashlar_libraries_below folder out)
  get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
  get_property(folders DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
  set(found)
  foreach(target IN LISTS targets)
    get_target_property(type ${target} TYPE)
    if(type MATCHES "^(STATIC|SHARED|INTERFACE)_LIBRARY$")
      list(APPEND found ${target})
    endif()
  endforeach()
  foreach(below IN LISTS folders)
    ashlar_libraries_below(${below} more)
    list(APPEND found ${more})
  endforeach()
  set(${out} ${found} PARENT_SCOPE)
endfunction()

ashlar_libraries_below(${PROJECT_SOURCE_DIR}/impls libraries)
foreach(library IN LISTS libraries)
  string(REGEX REPLACE "^ashlar_" "" name ${library})
  set_target_properties(${library} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(${library} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/ashlar>)
endforeach()

install(TARGETS ${libraries} EXPORT ashlarTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY impls/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ashlar/impls
        FILES_MATCHING PATTERN "*.hpp" PATTERN "test_*.hpp" EXCLUDE)
install(EXPORT ashlarTargets NAMESPACE ashlar:: DESTINATION ${ASHLAR_INSTALL_CMAKEDIR})

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/ashlarConfig.cmake.in ashlarConfig.cmake
                              INSTALL_DESTINATION ${ASHLAR_INSTALL_CMAKEDIR} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a new minor version may change interfaces.
write_basic_package_version_file(ashlarConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/ashlarConfig.cmake ${PROJECT_BINARY_DIR}/ashlarConfigVersion.cmake
        DESTINATION ${ASHLAR_INSTALL_CMAKEDIR})

if(TARGET ashlar)
  install(TARGETS ashlar RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(DIRECTORY suites baselines DESTINATION ${CMAKE_INSTALL_DATADIR}/ashlar
          FILES_MATCHING PATTERN "*.toml" PATTERN "*.csv" PATTERN "*.py" PATTERN "*.r" PATTERN "*_test.py" EXCLUDE
          PATTERN "__pycache__" EXCLUDE)
  install(DIRECTORY harness/run/peer DESTINATION ${CMAKE_INSTALL_DATADIR}/ashlar/harness/run
          FILES_MATCHING PATTERN "*.py" PATTERN "__pycache__" EXCLUDE)
endif()
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
