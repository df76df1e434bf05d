// libFuzzer's entry for the target that SWITCHYARD_FUZZ_TARGET names. An exception that leaves it is a finding.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  switchyard::fuzz::SWITCHYARD_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
