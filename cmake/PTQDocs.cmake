# The reference documentation, generated from the .td files: docs/Dialect.md and docs/Passes.md; docs/PTX.md,
# by ptx-run; docs/Schemes.md, by ptq-schemes.
#
# They are generated in build/docs with every build; `ptq-docs` copies them into docs/, where they are checked in,
# and the test docs.drift compares the two.

# Every passes/<Stage>/Passes.td is of one of PTQ_STAGES (cmake/PTQTargets.cmake).
set(PTQ_DOCS_BUILD ${PROJECT_BINARY_DIR}/docs)
set(PTQ_DOCS ${PTQ_DOCS_BUILD}/Dialect.md ${PTQ_DOCS_BUILD}/Passes.md)
set(PTQ_DOCS_TBLGEN ${MLIR_TABLEGEN_EXE} -I ${PROJECT_SOURCE_DIR}/dialects/PTQ/IR)
foreach(dir ${MLIR_INCLUDE_DIRS})
  list(APPEND PTQ_DOCS_TBLGEN -I ${dir})
endforeach()

file(GLOB PTQ_PASS_FILES CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/passes ${PROJECT_SOURCE_DIR}/passes/*/Passes.td)
foreach(file ${PTQ_PASS_FILES})
  get_filename_component(stage ${file} DIRECTORY)
  if(NOT stage IN_LIST PTQ_STAGES)
    message(FATAL_ERROR "passes/${file} is of no known stage; add ${stage} to PTQ_STAGES in cmake/PTQTargets.cmake")
  endif()
endforeach()

file(GLOB dialect_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/dialects/PTQ/IR/*.td)
add_custom_command(OUTPUT ${PTQ_DOCS_BUILD}/Dialect.md
  COMMAND ${CMAKE_COMMAND} -E make_directory ${PTQ_DOCS_BUILD}
  COMMAND ${PTQ_DOCS_TBLGEN} -gen-dialect-doc -dialect=ptq ${PROJECT_SOURCE_DIR}/dialects/PTQ/IR/PTQOps.td
          -o ${PTQ_DOCS_BUILD}/Dialect.md
  DEPENDS ${dialect_files} VERBATIM)

set(parts "")
foreach(stage ${PTQ_STAGES})
  set(source ${PROJECT_SOURCE_DIR}/passes/${stage}/Passes.td)
  if(EXISTS ${source})
    set(part ${PTQ_DOCS_BUILD}/Passes-${stage}.md)
    add_custom_command(OUTPUT ${part}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${PTQ_DOCS_BUILD}
      COMMAND ${PTQ_DOCS_TBLGEN} -gen-pass-doc ${source} -o ${part}
      DEPENDS ${source} VERBATIM)
    list(APPEND parts ${stage}=${part})
    list(APPEND part_files ${part})
  endif()
endforeach()
add_custom_command(OUTPUT ${PTQ_DOCS_BUILD}/Passes.md
  COMMAND ${CMAKE_COMMAND} "-DPARTS=${parts}" -DOUTPUT=${PTQ_DOCS_BUILD}/Passes.md
          -P ${PROJECT_SOURCE_DIR}/cmake/JoinPassDocs.cmake
  DEPENDS ${part_files} ${PROJECT_SOURCE_DIR}/cmake/JoinPassDocs.cmake VERBATIM)

# What PTX the emulator supports: from the table that decodes instructions.
add_custom_command(OUTPUT ${PTQ_DOCS_BUILD}/PTX.md
  COMMAND ${CMAKE_COMMAND} -E make_directory ${PTQ_DOCS_BUILD}
  COMMAND ptx-run --list-instructions > ${PTQ_DOCS_BUILD}/PTX.md
  DEPENDS ptx-run VERBATIM)
list(APPEND PTQ_DOCS ${PTQ_DOCS_BUILD}/PTX.md)

# Which schemes, roundings and transformations go together: from the table that the test of all of them reads.
add_custom_command(OUTPUT ${PTQ_DOCS_BUILD}/Schemes.md
  COMMAND ${CMAKE_COMMAND} -E make_directory ${PTQ_DOCS_BUILD}
  COMMAND ptq-schemes > ${PTQ_DOCS_BUILD}/Schemes.md
  DEPENDS ptq-schemes VERBATIM)
list(APPEND PTQ_DOCS ${PTQ_DOCS_BUILD}/Schemes.md)

add_custom_target(ptq-docs-generated ALL DEPENDS ${PTQ_DOCS})
add_custom_target(ptq-docs
  COMMAND ${CMAKE_COMMAND} -E copy_if_different ${PTQ_DOCS} ${PROJECT_SOURCE_DIR}/docs
  DEPENDS ptq-docs-generated)
