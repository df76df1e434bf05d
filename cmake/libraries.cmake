# Libraries from the system's packages.

find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 2.1 REQUIRED)

find_package(PkgConfig REQUIRED)
pkg_check_modules(re2 REQUIRED re2)
add_library(switchyard_re2 INTERFACE)
target_include_directories(switchyard_re2 SYSTEM INTERFACE ${re2_INCLUDE_DIRS})
target_link_libraries(switchyard_re2 INTERFACE ${re2_LINK_LIBRARIES})

# fmt is used header-only: LibTorch's include folder holds a newer fmt that shadows the system's, so the compiled system
# library would lack the symbols. For the same reason no function with fmt types in its signature may cross from a source
# file without LibTorch to one with it.
find_path(SWITCHYARD_FMT_INCLUDE fmt/format.h REQUIRED)
add_library(switchyard_fmt INTERFACE)
add_compile_definitions(FMT_HEADER_ONLY)
target_compile_definitions(switchyard_fmt INTERFACE FMT_HEADER_ONLY)
if(NOT SWITCHYARD_FMT_INCLUDE IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
  target_include_directories(switchyard_fmt SYSTEM INTERFACE ${SWITCHYARD_FMT_INCLUDE})
endif()
