# bench/<name>_bench.cpp: a program each, bench_<name>; rivals are timed inside one process. plan_bench is the one that
# needs no LibTorch: loading it takes ten times longer than a plan.
file(GLOB benches CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/*_bench.cpp)
foreach(bench ${benches})
  cmake_path(GET bench STEM stem)
  string(REGEX REPLACE "_bench$" "" name ${stem})
  add_executable(bench_${name} EXCLUDE_FROM_ALL ${bench})
  if(name STREQUAL "plan")
    target_link_libraries(bench_plan PRIVATE switchyard_plan)
    target_compile_definitions(bench_plan PRIVATE SWITCHYARD_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  else()
    target_link_libraries(bench_${name} PRIVATE switchyard nlohmann_json::nlohmann_json)
    switchyard_use_torch(bench_${name})
  endif()
endforeach()

# Our side of bench/step.py: loaded by Python beside its own torch, which must be the LibTorch that this is built with.
add_library(bench_step SHARED EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/bench/step_library.cpp)
target_link_libraries(bench_step PRIVATE switchyard)
switchyard_use_torch(bench_step)

# What ./dev instructions counts; needs valgrind's headers.
add_executable(step_instructions EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/bench/step_instructions.cpp)
target_link_libraries(step_instructions PRIVATE switchyard)
switchyard_use_torch(step_instructions)
