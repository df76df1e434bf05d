#include <ATen/ATen.h>
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "core/run/composed_optimizer.h"
#include "core/run/tensor_file.h"
#include "tests/kernels/values.h"
#include "tests/probes/probes.h"
#include "tests/support/conformance.h"
#include "tests/support/scratch.h"

/// Conformance law 19: k steps, save, load in a new process, ten more steps give the bits of an uninterrupted run.

using namespace switchyard;
using conformance::Outcome;

namespace {

struct Case {
  std::string plugin;
  at::ScalarType dtype;
  int before;
  std::string folder;
};

std::vector<Case> cases(const Registry& registry, const std::string& root) {
  std::vector<Case> out;
  for (const auto& descriptor : registry.optimizers()) {
    for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
      for (const int before : {1, 7, 50}) {
        out.push_back({descriptor.name, dtype, before,
                       root + "/" + descriptor.name + "-" + c10::toString(dtype) + "-" + std::to_string(before)});
      }
    }
  }
  return out;
}

constexpr int after = 10;

conformance::Setup setup_of(const conformance::Subject& subject, const Case& one) {
  conformance::Setup setup;
  setup.seed = 800;
  setup.items = conformance::small_items(subject, one.dtype);
  setup.options = conformance::lively_options(subject.descriptor);
  setup.missing = [](int step, std::size_t item) { return item == 1 && step % 3 == 0; };
  Schedule warmup;
  warmup.warmup = 5;
  setup.schedules = {{"lr", warmup}};
  return setup;
}

std::vector<std::pair<std::string, at::Tensor>> model_of(conformance::Bench& bench) {
  std::vector<std::pair<std::string, at::Tensor>> out;
  for (const auto& named : bench.tensors()) out.emplace_back(named.name, named.tensor.detach());
  return out;
}

}  // namespace

/// Not a test: what the new process does. The parent starts it with the folder in the environment.
TEST_CASE("resume: second process" * doctest::skip()) {
  const char* root = std::getenv("SWITCHYARD_RESUME_FOLDER");
  REQUIRE(root != nullptr);
  const testing::Threads one(1);
  const auto registry = probed_registry();
  for (const auto& one_case : cases(registry, root)) {
    const conformance::Subject subject(registry, *registry.find(one_case.plugin));
    conformance::Bench bench(subject, setup_of(subject, one_case));
    const TensorFile model(one_case.folder + "/model.safetensors");
    for (const auto& named : bench.tensors()) named.tensor.detach().copy_(model.tensor(named.name));
    bench.optimizer().load(one_case.folder + "/checkpoint");
    for (int step = one_case.before + 1; step <= one_case.before + after; ++step) bench.step(step);
    save_tensors(one_case.folder + "/resumed.safetensors", model_of(bench));
    bench.optimizer().save(one_case.folder + "/resumed");
  }
}

TEST_CASE("conformance: a run resumed in a new process equals the uninterrupted one bit for bit") {
  const testing::Threads one(1);
  const testing::Scratch scratch;
  const auto registry = probed_registry();
  std::vector<Outcome> expected;
  for (const auto& one_case : cases(registry, scratch.path())) {
    const conformance::Subject subject(registry, *registry.find(one_case.plugin));
    conformance::Bench bench(subject, setup_of(subject, one_case));
    for (int step = 1; step <= one_case.before; ++step) bench.step(step);
    std::filesystem::create_directories(one_case.folder);
    save_tensors(one_case.folder + "/model.safetensors", model_of(bench));
    bench.optimizer().save(one_case.folder + "/checkpoint");
    for (int step = one_case.before + 1; step <= one_case.before + after; ++step) bench.step(step);
    expected.push_back(bench.outcome());
  }

  const auto child = ::fork();
  if (child == 0) {
    ::setenv("SWITCHYARD_RESUME_FOLDER", scratch.path().c_str(), 1);
    const auto seed = "--rand-seed=" + std::to_string(doctest::getContextOptions()->rand_seed);
    ::execl("/proc/self/exe", "run_tests", "--no-skip", "--test-case=resume: second process", "--minimal", seed.c_str(),
            nullptr);
    ::_exit(127);
  }
  REQUIRE(child > 0);
  int status = -1;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);

  std::size_t at = 0;
  for (const auto& one_case : cases(registry, scratch.path())) {
    INFO("plugin ", one_case.plugin, ", dtype ", c10::toString(one_case.dtype), ", after ", one_case.before);
    const TensorFile model(one_case.folder + "/resumed.safetensors");
    const auto& whole = expected[at++];
    for (const auto& [name, tensor] : whole.params) CHECK(testing::same_bits(model.tensor(name), tensor));
    const auto index = testing::read_file(one_case.folder + "/resumed/index.json");
    const TensorFile state(one_case.folder + "/resumed/" + testing::member(index, "data"));
    CHECK(state.header().entries.size() == whole.state.size());
    for (const auto& [name, tensor] : whole.state) CHECK(testing::same_bits(state.tensor(name), tensor));
  }
}
