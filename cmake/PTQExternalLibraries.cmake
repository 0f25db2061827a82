# The libraries besides LLVM and MLIR, as imported targets of the same names in the build and in the installed package.

# ptq_find_external_library(NAME LIBRARY): finds libLIBRARY and makes it the target PTQ::NAME, or leaves PTQ_NAME_LIBRARY
# false.
function(ptq_find_external_library name library)
  find_library(PTQ_${name}_LIBRARY ${library})
  mark_as_advanced(PTQ_${name}_LIBRARY)
  if(PTQ_${name}_LIBRARY AND NOT TARGET PTQ::${name})
    add_library(PTQ::${name} UNKNOWN IMPORTED)
    set_target_properties(PTQ::${name} PROPERTIES IMPORTED_LOCATION ${PTQ_${name}_LIBRARY})
  endif()
endfunction()
