#pragma once
/// A model whose parameters go to different plugins: what the tests of core/run train.

#include "tests/kernels/values.h"
#include "tests/probes/probes.h"
#include "tests/support/conformance.h"

namespace switchyard {

/// muon on two matrices, adamw on an embedding and a bias, a probe with runs on another, and a frozen one.
struct MixedModel {
  Registry registry = probed_registry();
  conformance::Subject subject{registry, *registry.find("muon")};
  conformance::Setup setup;

  explicit MixedModel(at::ScalarType dtype = at::kFloat, std::uint64_t seed = 700) {
    setup.seed = seed;
    setup.options = {{"weight_decay", 0.1}, {"coefficients", std::string("jordan")}};
    setup.items = {{"net.up.weight", {9, 5}, dtype},
                   {"net.down.weight", {5, 9}, dtype},
                   {"embed.weight", {11, 5}, dtype, {}, "adamw"},
                   {"net.up.bias", {9}, dtype, {}, "adamw"},
                   {"head.weight", {7, 13}, dtype, {}, "probe_coded"},
                   {"head.mix", {6, 4}, dtype, {}, "probe_row_norm"},
                   {"table", {3, 3}, dtype, {}, "", true}};
  }
  conformance::Bench bench(Communicator* communicator = nullptr) const {
    return conformance::Bench(subject, setup, communicator);
  }
};

/// What `body` throws as an E, or "nothing".
template <class E = OptimizerError, class Body>
std::string thrown_by(Body&& body) {
  try {
    body();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing";
}

}  // namespace switchyard
