# How targets are declared, once for all folders.

# The stages in the order in which they run.
set(PTQ_STAGES Raise Calibrate Transform Quantize Lower Report Verify Interchange)

set(PTQ_WARNINGS -Wall -Wextra -Wno-unused-parameter -Wno-comment
    -Wno-deprecated-declarations) # libstdc++ 12 uses its own deprecated buffer in stable_sort
if(PTQ_WERROR)
  list(APPEND PTQ_WARNINGS -Werror)
endif()

# One precompiled header for every target that includes MLIR; the first target builds it, the others reuse it.
function(ptq_use_mlir_pch target)
  if(NOT TARGET PTQPrecompiledHeader)
    add_library(PTQPrecompiledHeader OBJECT ${PROJECT_SOURCE_DIR}/cmake/PrecompiledHeader.cpp)
    target_precompile_headers(PTQPrecompiledHeader PRIVATE ${PROJECT_SOURCE_DIR}/cmake/PrecompiledHeader.h)
    # Without the timestamp the header's contents depend on its sources only, which ccache relies on.
    target_compile_options(PTQPrecompiledHeader PRIVATE "SHELL:-Xclang -fno-pch-timestamp" ${PTQ_WARNINGS})
  endif()
  target_precompile_headers(${target} REUSE_FROM PTQPrecompiledHeader)
  # An executable would be compiled as -fPIE, for which the header is not.
  target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp" -fPIC)
endfunction()

# ptq_add_library(NAME SOURCES a.cpp … [LINK target …] [DEPENDS target …] [MLIR])
# A static library `NAME`. MLIR: it includes and links MLIR. Without it, only LLVM Support may be used.
function(ptq_add_library name)
  cmake_parse_arguments(ARG "MLIR" "" "SOURCES;LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${PTQ_WARNINGS})
  target_include_directories(${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  if(ARG_MLIR)
    target_link_libraries(${name} PUBLIC MLIR LLVM)
    ptq_use_mlir_pch(${name})
  else()
    target_link_libraries(${name} PUBLIC LLVM)
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  set_property(GLOBAL APPEND PROPERTY PTQ_LIBRARIES ${name})
endfunction()

# ptq_add_tool(NAME SOURCES a.cpp … [LINK target …]): an executable in bin/, which includes MLIR.
function(ptq_add_tool name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${PTQ_WARNINGS})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  ptq_use_mlir_pch(${name})
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT Runtime)
endfunction()

# ptq_add_unit_test(NAME SOURCES a.cpp … [LINK target …] [MLIR]): a GoogleTest binary, one ctest test a case.
function(ptq_add_unit_test name)
  cmake_parse_arguments(ARG "MLIR" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${PTQ_WARNINGS})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest_main)
  if(ARG_MLIR)
    ptq_use_mlir_pch(${name})
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test/unit)
  add_test(NAME unit.${name} COMMAND ${name})
  set_tests_properties(unit.${name} PROPERTIES LABELS unit)
endfunction()

# ptq_add_stage(NAME SOURCES a.cpp … [LINK target …]): the passes of one stage, declared in its Passes.td.
function(ptq_add_stage name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  set(LLVM_TARGET_DEFINITIONS Passes.td)
  mlir_tablegen(Passes.h.inc -gen-pass-decls -name=PTQ${name})
  add_public_tablegen_target(PTQ${name}PassesIncGen)
  ptq_add_library(PTQ${name} MLIR
    SOURCES ${ARG_SOURCES}
    LINK PTQDialect PTQAnalysis ${ARG_LINK}
    DEPENDS PTQDialectIncGen PTQ${name}PassesIncGen)
endfunction()
