# The libraries as components of the CMake package: which links which, and what each needs from elsewhere. Read from the
# targets, so that there is no second list to keep.
#
#   PTQ_COMPONENTS        every component after those it links
#   PTQ_COMPONENT_TABLE   for PTQConfig.cmake: for each of them the components below it, and its needs

# ptq_visit_component(TARGET): appends the component to PTQ_COMPONENTS, after those below it; sets
# PTQ_<component>_LINKS (all below, each once) and PTQ_<component>_NEEDS (their needs too).
function(ptq_visit_component target)
  get_target_property(component ${target} EXPORT_NAME)
  if(component IN_LIST PTQ_COMPONENTS)
    return()
  endif()
  set(links "")
  set(needs "")
  get_target_property(libraries ${target} INTERFACE_LINK_LIBRARIES)
  foreach(library IN LISTS libraries)
    if(library MATCHES "^PTQ::(.*)")
      list(APPEND needs ${CMAKE_MATCH_1})
    elseif(library STREQUAL "Threads::Threads")
      list(APPEND needs Threads)
    elseif(library MATCHES "^(MLIR|LLVM)$")
      list(APPEND needs ${library})
    elseif(TARGET ${library} AND library MATCHES "^PTQ")
      ptq_visit_component(${library})
      get_target_property(below ${library} EXPORT_NAME)
      list(APPEND links ${PTQ_${below}_LINKS} ${below})
      list(APPEND needs ${PTQ_${below}_NEEDS})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES links)
  list(REMOVE_DUPLICATES needs)
  list(APPEND PTQ_COMPONENTS ${component})
  # What calls from below have found, too, goes up to the caller.
  foreach(name IN LISTS PTQ_COMPONENTS)
    if(NOT name STREQUAL component)
      set(PTQ_${name}_LINKS "${PTQ_${name}_LINKS}" PARENT_SCOPE)
      set(PTQ_${name}_NEEDS "${PTQ_${name}_NEEDS}" PARENT_SCOPE)
    endif()
  endforeach()
  set(PTQ_${component}_LINKS "${links}" PARENT_SCOPE)
  set(PTQ_${component}_NEEDS "${needs}" PARENT_SCOPE)
  set(PTQ_COMPONENTS "${PTQ_COMPONENTS}" PARENT_SCOPE)
endfunction()

set(PTQ_COMPONENTS "")
get_property(libraries GLOBAL PROPERTY PTQ_LIBRARIES)
foreach(target IN LISTS libraries)
  string(REGEX REPLACE "^PTQ" "" component ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${component})
endforeach()
foreach(target IN LISTS libraries)
  ptq_visit_component(${target})
endforeach()

# libPTQ-C has everything in it; who links it needs MLIR's headers.
set_target_properties(PTQ-C PROPERTIES EXPORT_NAME C)
list(APPEND PTQ_COMPONENTS C)
set(PTQ_C_LINKS "")
set(PTQ_C_NEEDS MLIR)

set(PTQ_COMPONENT_TABLE "")
foreach(component IN LISTS PTQ_COMPONENTS)
  string(APPEND PTQ_COMPONENT_TABLE "set(_ptq_${component}_links ${PTQ_${component}_LINKS})\n"
    "set(_ptq_${component}_needs ${PTQ_${component}_NEEDS})\n")
endforeach()
