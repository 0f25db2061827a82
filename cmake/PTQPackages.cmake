# Debian packages: cpack --config build/CPackConfig.cmake
#
#   mlir-ptq         Runtime: tools, plugin, CPU runtime, man pages, completion
#   libmlir-ptq-dev  Development: headers, static libraries, the CMake package
#   mlir-ptq-mpi     Mpi: the module with which tools run under mpirun; where MPI was there to build it
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME mlir-ptq)
set(CPACK_PACKAGE_VENDOR "mlir-ptq")
set(CPACK_PACKAGE_CONTACT "mlir-ptq's authors <mlir-ptq@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "post-training quantization of neural networks as MLIR passes")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL Runtime Development)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME mlir-ptq)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libmlir-ptq-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
  "mlir-ptq (= ${PROJECT_VERSION}), libmlir-22-dev, llvm-22-dev, libopenblas-dev, liblapacke-dev, libdnnl-dev")
if(TARGET PTQMpi)
  list(APPEND CPACK_COMPONENTS_ALL Mpi)
  set(CPACK_DEBIAN_MPI_PACKAGE_NAME mlir-ptq-mpi)
  set(CPACK_DEBIAN_MPI_PACKAGE_DEPENDS "mlir-ptq (= ${PROJECT_VERSION})")
endif()
include(CPack)
