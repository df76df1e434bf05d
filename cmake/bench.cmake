# bench/<name>_bench.cpp: a program each, bench_<name>; rivals are timed inside one process.
file(GLOB benches CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*_bench.cpp)
foreach(bench ${benches})
  cmake_path(GET bench STEM stem)
  string(REGEX REPLACE "_bench$" "" name ${stem})
  add_executable(bench_${name} EXCLUDE_FROM_ALL ${bench})
  target_link_libraries(bench_${name} PRIVATE switchyard nlohmann_json::nlohmann_json)
  switchyard_use_torch(bench_${name})
endforeach()
