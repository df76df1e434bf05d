# tests/fuzz/<name>.cpp: a target each, fuzz_<name>, in a program of its own. Without LibTorch.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "SWITCHYARD_FUZZERS needs clang (libFuzzer): use the preset 'fuzz'")
endif()

file(GLOB fuzzers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/*.cpp)
list(REMOVE_ITEM fuzzers ${PROJECT_SOURCE_DIR}/tests/fuzz/entry.cpp)
foreach(fuzzer ${fuzzers})
  cmake_path(GET fuzzer STEM name)
  add_executable(fuzz_${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/entry.cpp ${fuzzer})
  target_link_libraries(fuzz_${name} PRIVATE switchyard_plan)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  target_compile_definitions(fuzz_${name} PRIVATE
    SWITCHYARD_SOURCE_DIR="${PROJECT_SOURCE_DIR}" SWITCHYARD_FUZZ_TARGET=fuzz_${name})
endforeach()
