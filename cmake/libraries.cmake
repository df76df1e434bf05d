# Libraries from the system's packages.

find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 2.1 REQUIRED)

find_package(PkgConfig REQUIRED)
pkg_check_modules(re2 REQUIRED re2)
add_library(switchyard_re2 INTERFACE)
target_include_directories(switchyard_re2 SYSTEM INTERFACE ${re2_INCLUDE_DIRS})
target_link_libraries(switchyard_re2 INTERFACE ${re2_LINK_LIBRARIES})

# Two versions of fmt, in two namespaces: source files without LibTorch use the system's; in the others LibTorch's include
# folder comes first, and torch_fmt.cpp is the library to its headers. Hence no function with fmt's types in its signature
# may cross from a file of one kind to one of the other. Never FMT_HEADER_ONLY: it costs three seconds a file.
pkg_check_modules(fmt REQUIRED fmt)
add_library(switchyard_fmt INTERFACE)
target_include_directories(switchyard_fmt SYSTEM INTERFACE ${fmt_INCLUDE_DIRS})
target_link_libraries(switchyard_fmt INTERFACE ${fmt_LINK_LIBRARIES})
