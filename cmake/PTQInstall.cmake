# Install rules and the CMake package: find_package(PTQ), whole or by COMPONENTS (PTQConfig.cmake.in).
#
#   bin/            tools (ptq_add_tool)
#   include/ptq/    headers, generated ones among them, and the .td files of dialect and passes
#   include/ptq-c/  headers of the C API
#   lib/            static libraries, libPTQ-C, the plugin, the CPU runtime
#   lib/cmake/PTQ/  PTQConfig.cmake, PTQConfigVersion.cmake, PTQ<Component>Targets.cmake
#
# In two parts, for `cmake --install --component` and the Debian packages: Runtime is what runs, Development what one
# compiles against.
include(CMakePackageConfigHelpers)
include(PTQComponents)

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

set(PTQ_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/PTQ)
get_property(libraries GLOBAL PROPERTY PTQ_LIBRARIES)
foreach(target IN LISTS libraries ITEMS PTQ-C)
  get_target_property(component ${target} EXPORT_NAME)
  install(TARGETS ${target} EXPORT PTQ${component}Targets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT Development
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT Runtime NAMELINK_COMPONENT Development)
  install(EXPORT PTQ${component}Targets NAMESPACE PTQ:: DESTINATION ${PTQ_PACKAGE_DIR} COMPONENT Development)
endforeach()

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT Development
  FILES_MATCHING PATTERN "*.h")
install(DIRECTORY ${PROJECT_BINARY_DIR}/include/ptq DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT Development
  FILES_MATCHING PATTERN "*.h.inc"
  PATTERN "CMakeFiles" EXCLUDE PATTERN "*.dir" EXCLUDE)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/dialects/PTQ/IR/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ptq/IR
  COMPONENT Development FILES_MATCHING PATTERN "*.td")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/passes/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ptq
  COMPONENT Development FILES_MATCHING PATTERN "*.td")

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/PTQConfig.cmake.in
  ${PROJECT_BINARY_DIR}/cmake/PTQConfig.cmake
  INSTALL_DESTINATION ${PTQ_PACKAGE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cmake/PTQConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cmake/PTQConfig.cmake ${PROJECT_BINARY_DIR}/cmake/PTQConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/PTQExternalLibraries.cmake
  DESTINATION ${PTQ_PACKAGE_DIR} COMPONENT Development)
