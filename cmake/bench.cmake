# bench/*.cpp: one program, so that rivals are timed in one process.
file(GLOB bench_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*.cpp)
if(bench_sources)
  add_executable(switchyard_bench EXCLUDE_FROM_ALL ${bench_sources})
  target_link_libraries(switchyard_bench PRIVATE switchyard nlohmann_json::nlohmann_json)
  switchyard_use_torch(switchyard_bench)
endif()
