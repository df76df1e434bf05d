#include "rules/manifest_safetensors.h"

#include <doctest/doctest.h>

#include <set>

using namespace switchyard;

TEST_CASE("manifest of safetensors: every tensor is a parameter with torch's dtype name") {
  SafetensorsHeader header;
  header.entries = {{"w", "BF16", {2, 3}, 0, 12}, {"ids", "I64", {1}, 12, 20}, {"s", "F32", {}, 20, 24}};
  const auto parameters = parameters_of(header);
  REQUIRE(parameters.size() == 3);
  CHECK(parameters[0].name() == "w");
  CHECK(parameters[0].dtype == Dtype::bfloat16);
  CHECK(parameters[0].shape == std::vector<std::int64_t>{2, 3});
  CHECK(parameters[1].dtype == Dtype::other);
  CHECK(parameters[1].dtype_name == "int64");
  CHECK_FALSE(parameters[1].requires_grad);
  CHECK(parameters[0].requires_grad);
  CHECK(parameters[2].numel() == 1);
  Diagnostics diagnostics;
  CHECK(ParameterTable::build(parameters, diagnostics).size() == 3);
  CHECK(diagnostics.empty());
}

TEST_CASE("manifest of safetensors: every dtype of the format has a name of its own") {
  std::set<std::string> names;
  for (const auto& dtype : safetensors_dtypes()) names.insert(torch_dtype_name(dtype));
  CHECK(names.size() == safetensors_dtypes().size());
  CHECK(torch_dtype_name("F64") == "float64");
  CHECK(torch_dtype_name("F16") == "float16");
  CHECK(torch_dtype_name("F8_E4M3") == "float8_e4m3fn");
  CHECK(torch_dtype_name("F6_E2M3") == "f6_e2m3");
}
