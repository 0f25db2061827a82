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

include(PTQExternalLibraries)
ptq_find_external_library(OpenBLAS openblas)
ptq_find_external_library(LAPACKE lapacke)
foreach(library OpenBLAS LAPACKE)
  if(NOT PTQ_${library}_LIBRARY)
    message(FATAL_ERROR "mlir-ptq needs ${library}; on Debian: apt-get install libopenblas-dev liblapacke-dev")
  endif()
endforeach()
set(PTQ_OPENBLAS PTQ::OpenBLAS)
set(PTQ_LAPACKE PTQ::LAPACKE)
find_package(Threads REQUIRED)

# 8-bit products on the CPU; without it a portable loop computes them.
ptq_find_external_library(oneDNN dnnl)
if(PTQ_oneDNN_LIBRARY)
  set(PTQ_ONEDNN PTQ::oneDNN)
else()
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

option(PTQ_FUZZERS "Build fuzzers; everything is instrumented for them (implies PTQ_ENABLE_ASAN)" OFF)
option(PTQ_ENABLE_TSAN "Build with ThreadSanitizer" OFF)
if(PTQ_FUZZERS)
  set(PTQ_ENABLE_ASAN ON)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=fuzzer-no-link>)
endif()
if(PTQ_ENABLE_ASAN AND PTQ_ENABLE_TSAN)
  message(FATAL_ERROR "AddressSanitizer and ThreadSanitizer cannot be combined: choose one")
endif()
if(PTQ_ENABLE_ASAN)
  # C is another compiler's, whose runtime would be another, too.
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=address,undefined;-fno-sanitize-recover=undefined;-fno-omit-frame-pointer>")
  add_link_options(-fsanitize=address,undefined)
  # LLVM keeps what it allocates for the life of a process. Of two sides of one container or allocator, libMLIR's and ours,
  # only ours marks what is free. (CMakePresets.json says the same.)
  set(PTQ_ASAN_OPTIONS detect_leaks=0:detect_container_overflow=0:allow_user_poisoning=0:detect_odr_violation=0)
  # For tools without it that load our libraries.
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=libclang_rt.asan-${CMAKE_SYSTEM_PROCESSOR}.so
    OUTPUT_VARIABLE PTQ_ASAN_RUNTIME OUTPUT_STRIP_TRAILING_WHITESPACE)
elseif(PTQ_ENABLE_TSAN)
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
endif()
