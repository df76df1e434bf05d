// What LibTorch's torch::save writes is read as the parameters of the module that was saved.
#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/serialize.h>

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "rules/manifest_torch.h"

using namespace switchyard;

namespace {

struct NetImpl : torch::nn::Module {
  NetImpl() {
    first = register_module("first", torch::nn::Linear(3, 2));
    second = register_module("second", torch::nn::Linear(2, 2));
    scale = register_parameter("scale", at::ones({}));
    register_buffer("mean", at::zeros({2}));
    first->bias.set_requires_grad(false);
  }
  torch::nn::Linear first = nullptr, second = nullptr;
  at::Tensor scale;
};

}  // namespace

TEST_CASE("torch file: a module saved by LibTorch gives its parameters, without buffers") {
  const auto net = std::make_shared<NetImpl>();
  std::ostringstream out;
  torch::serialize::OutputArchive archive;
  net->save(archive);
  archive.save_to(out);
  const auto text = out.str();
  Diagnostics found;
  const auto file = read_torch_file(bytes_of_text(text), "net.pt", found);
  REQUIRE_MESSAGE(file, render(found, {}));
  std::map<std::string, const ParameterInfo*> by_name;
  for (const auto& info : file->parameters) by_name[info.name()] = &info;
  CHECK(by_name.size() == net->named_parameters().size());
  for (const auto& item : net->named_parameters()) {
    CAPTURE(item.key());
    REQUIRE(by_name.count(item.key()) == 1);
    const auto& info = *by_name[item.key()];
    CHECK(info.shape == item.value().sizes().vec());
    CHECK(info.requires_grad == item.value().requires_grad());
    CHECK(info.dtype == Dtype::float32);
    CHECK(info.module.empty());
  }
}
