# switchyard_conformance: the laws that every plugin must keep, for programs of plugins' authors (docs/writing_a_plugin.md).
# It brings doctest's implementation with it, so a program that has its own links the sources as our tests do.
find_path(SWITCHYARD_DOCTEST_INCLUDE doctest/doctest.h)
if(SWITCHYARD_DOCTEST_INCLUDE)
  file(GLOB law_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/support/conformance*.cpp)
  add_library(switchyard_conformance STATIC EXCLUDE_FROM_ALL ${law_sources} ${PROJECT_SOURCE_DIR}/tests/support/law_runner.cpp)
  target_include_directories(switchyard_conformance PUBLIC ${PROJECT_SOURCE_DIR})
  if(NOT SWITCHYARD_DOCTEST_INCLUDE IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
    target_include_directories(switchyard_conformance SYSTEM PUBLIC ${SWITCHYARD_DOCTEST_INCLUDE})
  endif()
  target_link_libraries(switchyard_conformance PUBLIC switchyard)
  switchyard_use_torch(switchyard_conformance)
endif()
