# Several sources as one text, where SWITCHYARD_TOGETHER is on: reading the headers and instantiating the same templates
# again and again is most of what a build costs that starts from nothing. For builds that only check; where somebody edits
# and builds again, one file a text is quicker.

# To gcc, a type in an unnamed namespace of an included file is one of a header.
if(SWITCHYARD_TOGETHER AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  switchyard_cxx_options(-Wno-subobject-linkage)
endif()

# switchyard_together(<variable> <name>): replaces the sources in the variable by generated files that include them.
function(switchyard_together variable name)
  if(NOT SWITCHYARD_TOGETHER)
    return()
  endif()
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  execute_process(
    COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/cmake/together.py ${CMAKE_BINARY_DIR}/generated/together ${name}
      10 ${${variable}}
    OUTPUT_VARIABLE texts COMMAND_ERROR_IS_FATAL ANY)
  # A name that a file gains can divide a group.
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${${variable}} ${PROJECT_SOURCE_DIR}/cmake/together.py)
  set(${variable} ${texts} PARENT_SCOPE)
endfunction()
