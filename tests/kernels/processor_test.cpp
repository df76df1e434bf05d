#include "kernels/processor.h"

#include <ATen/Version.h>
#include <doctest/doctest.h>

#include <cctype>
#include <cstdlib>
#include <string>

using namespace switchyard::kernels;

TEST_CASE("processor: the unit for bfloat16 is a known one, and none is found where its registers are missing") {
  const auto unit = bfloat16_unit();
  CHECK((unit == "" || unit == "AVX512_BF16" || unit == "AMX-BF16"));
  CHECK(bfloat16_unit() == unit);
#if defined(__x86_64__)
  if (!unit.empty()) CHECK(__builtin_cpu_supports("avx512f"));
#else
  CHECK(unit.empty());
#endif
}

// `./dev capabilities` runs the tensor tests with ATen lowered; this one would tell if ATen did not listen.
TEST_CASE("processor: ATen has the capability that was asked for") {
  const char* asked = std::getenv("ATEN_CPU_CAPABILITY");
  if (asked == nullptr) return;
  std::string name = asked;
  for (auto& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  CHECK(at::get_cpu_capability() == name);
}
