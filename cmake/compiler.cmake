# Language, warnings, sanitizers, linker and compiler cache: the same for every target, because the one precompiled
# header can be shared only among targets whose flags and definitions agree.

# Options for C++ only: nvcc does not know them.
function(switchyard_cxx_options)
  foreach(option ${ARGN})
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:${option}>)
  endforeach()
endfunction()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

# -fPIC everywhere, programs too: gcc refuses a precompiled header made with -fPIC in a -fPIE compilation.
# -ffp-contract=off: a fused multiply-add where the source has none would make bits depend on the optimization level.
# -fno-math-errno, -fno-trapping-math: sqrt may not set errno, nor a comparison trap, or no loop with them is vectorised;
# they change no result.
# -fopenmp: without it at::parallel_for silently runs on one thread. Fuzzers have no tensors, and clang no omp.h.
switchyard_cxx_options(-fPIC -ffp-contract=off -fno-math-errno -fno-trapping-math)
if(NOT SWITCHYARD_FUZZERS)
  switchyard_cxx_options(-fopenmp)
  add_link_options(-fopenmp)
endif()

switchyard_cxx_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  switchyard_cxx_options(-Winvalid-pch)
endif()
if(SWITCHYARD_WERROR)
  switchyard_cxx_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # These come from the optimizer, after LibTorch's code was inlined into ours, and then ignore that its headers are
  # system headers. They stay visible but do not stop a build; under a sanitizer they are nearly always wrong.
  foreach(warning maybe-uninitialized array-bounds stringop-overflow stringop-overread restrict free-nonheap-object
                  null-dereference dangling-pointer)
    if(SWITCHYARD_SANITIZER)
      switchyard_cxx_options(-Wno-${warning})
    else()
      switchyard_cxx_options(-Wno-error=${warning})
    endif()
  endforeach()
endif()

if(SWITCHYARD_SANITIZER STREQUAL "address")
  # Not vptr: it needs the type information of LibTorch's classes that LibTorch does not export.
  switchyard_cxx_options(-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined -fno-sanitize=vptr)
elseif(SWITCHYARD_SANITIZER STREQUAL "thread")
  switchyard_cxx_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
elseif(SWITCHYARD_SANITIZER)
  message(FATAL_ERROR "SWITCHYARD_SANITIZER is '${SWITCHYARD_SANITIZER}'; expected nothing, 'address' or 'thread'")
endif()

if(SWITCHYARD_FUZZERS)
  switchyard_cxx_options(-fsanitize=fuzzer-no-link)   # counts branches in core and rules too, not in the fuzzers alone
endif()

find_program(SWITCHYARD_MOLD mold)
if(SWITCHYARD_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# Where downloads and compiled objects are kept between builds and checkouts.
if(DEFINED ENV{SWITCHYARD_CACHE})
  set(switchyard_cache $ENV{SWITCHYARD_CACHE})
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(switchyard_cache $ENV{XDG_CACHE_HOME}/switchyard)
else()
  set(switchyard_cache $ENV{HOME}/.cache/switchyard)
endif()

# ccache takes objects built with a precompiled header only with this sloppiness, and then needs -fpch-preprocess.
# Set in the launcher, so that a build started by hand caches as ./dev does.
find_program(SWITCHYARD_CCACHE ccache)
if(SWITCHYARD_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_DIR=${switchyard_cache}/ccache CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_MAXSIZE=10G
    CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}   # a clone in another folder finds the same objects
    ${SWITCHYARD_CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND SWITCHYARD_PCH)
    switchyard_cxx_options(-fpch-preprocess)
  endif()
endif()
