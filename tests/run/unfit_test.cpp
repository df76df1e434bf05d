#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <doctest/doctest.h>

#include <string>

#include "core/run/parameter_state.h"

using namespace switchyard;

// Covers P4, P9, P19, P24, P25, P26, P27.
TEST_CASE("unfit tensors: every one is refused when the table is made, all at once, with why") {
  const auto good = at::zeros({4, 3}).set_requires_grad(true);
  at::Tensor inference;
  {
    const c10::InferenceMode guard;
    inference = at::zeros({4, 3});
  }
  // Without a GPU the only device beside the CPU is `meta`.
  const std::vector<NamedTensor> tensors = {{"good", good},
                                            {"undefined", at::Tensor()},
                                            {"leafless", good * 2},
                                            {"meta", at::empty({4, 3}, at::TensorOptions().device(at::kMeta))},
                                            {"sparse", at::zeros({4, 3}).to_sparse()},
                                            {"compressed", at::ones({4, 3}).to_sparse_csr()},
                                            {"inference", inference},
                                            {"expanded", at::zeros({1, 3}).expand({4, 3}).detach()}};
  Diagnostics diagnostics;
  const auto table = table_from_tensors(tensors, diagnostics);
  REQUIRE(diagnostics.items().size() == tensors.size() - 1);
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    const auto& item = diagnostics.items()[i - 1];
    CHECK(item.subject == tensors[i].name);
    CHECK(item.severity == Severity::error);
    CHECK(item.code == (i == 1 ? "SWY-2110" : "SWY-2111"));
  }
  CHECK(diagnostics.items()[1].message.find("leaf") != std::string::npos);
  CHECK(diagnostics.items()[2].message.find("meta") != std::string::npos);
  CHECK(diagnostics.items()[3].message.find("layout") != std::string::npos);
  CHECK(diagnostics.items()[5].message.find("inference") != std::string::npos);
  CHECK(diagnostics.items()[6].message.find("share memory") != std::string::npos);
}
