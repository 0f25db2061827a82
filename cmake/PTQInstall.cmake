# Install rules and the CMake package: find_package(PTQ) gives PTQ::PTQRegistration and the libraries below it.
#
#   bin/            tools (ptq_add_tool)
#   include/ptq/    headers, generated ones among them, and the .td files of dialect and passes
#   lib/            static libraries and the plugin
#   lib/cmake/PTQ/  PTQConfig.cmake, PTQConfigVersion.cmake, PTQTargets.cmake
include(CMakePackageConfigHelpers)

# Installed tools find libMLIR where they were linked with it.
get_property(tool_folders DIRECTORY ${PROJECT_SOURCE_DIR}/tools PROPERTY SUBDIRECTORIES)
foreach(folder ${tool_folders})
  get_property(tools DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(tool ${tools})
    get_target_property(type ${tool} TYPE)
    if(type MATCHES "EXECUTABLE|MODULE_LIBRARY")
      set_target_properties(${tool} PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
    endif()
  endforeach()
endforeach()

get_property(PTQ_INSTALLED_LIBRARIES GLOBAL PROPERTY PTQ_LIBRARIES)
install(TARGETS ${PTQ_INSTALLED_LIBRARIES}
  EXPORT PTQTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
install(DIRECTORY ${PROJECT_BINARY_DIR}/include/ptq DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h.inc"
  PATTERN "CMakeFiles" EXCLUDE PATTERN "*.dir" EXCLUDE)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/dialects/PTQ/IR/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ptq/IR
  FILES_MATCHING PATTERN "*.td")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/passes/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ptq
  FILES_MATCHING PATTERN "*.td")

set(PTQ_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/PTQ)
install(EXPORT PTQTargets NAMESPACE PTQ:: DESTINATION ${PTQ_PACKAGE_DIR})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/PTQConfig.cmake.in
  ${PROJECT_BINARY_DIR}/cmake/PTQConfig.cmake
  INSTALL_DESTINATION ${PTQ_PACKAGE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cmake/PTQConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cmake/PTQConfig.cmake ${PROJECT_BINARY_DIR}/cmake/PTQConfigVersion.cmake
  DESTINATION ${PTQ_PACKAGE_DIR})
