# What the project links: LLVM and MLIR 22 as shared libraries, OpenBLAS with LAPACKE.

if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "mlir-ptq needs clang (clang++-22), as libMLIR was built with it; found ${CMAKE_CXX_COMPILER_ID}. "
                      "Delete this build folder and configure again with -DCMAKE_CXX_COMPILER=clang++-22")
endif()

find_package(MLIR REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "mlir-ptq is written for LLVM/MLIR 22, found ${LLVM_PACKAGE_VERSION}; "
                      "point MLIR_DIR at lib/cmake/mlir of a version-22 installation")
endif()
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
separate_arguments(PTQ_LLVM_DEFINITIONS NATIVE_COMMAND ${LLVM_DEFINITIONS})
add_definitions(${PTQ_LLVM_DEFINITIONS})
link_directories(${LLVM_LIBRARY_DIR})

find_library(PTQ_OPENBLAS openblas REQUIRED)
find_library(PTQ_LAPACKE lapacke REQUIRED)
find_package(Threads REQUIRED)

# 8-bit products on the CPU; without it a portable loop computes them.
find_library(PTQ_ONEDNN dnnl)
if(NOT PTQ_ONEDNN)
  message(STATUS "oneDNN not found: int8 matrix products will run on a portable loop")
endif()

find_program(PTQ_CCACHE ccache)
if(PTQ_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness lets ccache serve translation units that use a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${PTQ_CCACHE})
endif()

find_program(PTQ_LLD NAMES ld.lld-22 ld.lld HINTS ${LLVM_TOOLS_BINARY_DIR})
if(PTQ_LLD)
  add_link_options(--ld-path=${PTQ_LLD})
endif()

if(PTQ_ENABLE_ASAN)
  add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
