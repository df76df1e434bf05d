#include "rules/plugins_json.h"

#include <doctest/doctest.h>

#include <string>

#include "core/error.h"
#include "rules/schema.h"

using namespace switchyard;

namespace plugins_json_test {

enum class Form : std::uint8_t { ema, heavy_ball };
constexpr auto describe(of<Form>) {
  return choices(choice("ema", Form::ema, "average"), choice("heavy_ball", Form::heavy_ball, "sum"));
}

struct Options {
  double momentum = 0.95;
  bool nesterov = true;
  std::int64_t block_size = 256;
  Form form = Form::heavy_ball;
  ShapeScale scale = ShapeScale::spectral;
  std::array<double, 2> betas = {0.9, 0.95};
  double weight_decay = 0;
};
constexpr auto describe(of<Options>) {
  return options(option("momentum", &Options::momentum, half_open(0, 1), "Decay.").schedulable(),
                 option("nesterov", &Options::nesterov, "N."),
                 option("block_size", &Options::block_size, closed(1, 4096), "B.").arithmetic(),
                 option("form", &Options::form, "F."),
                 option("scale", &Options::scale, "S.").role(OptionRole::shape_scale),
                 option("betas", &Options::betas, open(0, 1), "Bs."),
                 option("weight_decay", &Options::weight_decay, at_least(0), "W.").role(OptionRole::weight_decay));
}

Registry two_plugins() {
  Registry out;
  OptimizerDescriptor runs;
  runs.name = "runs";
  runs.doc = "Works on runs.";
  runs.version = "2.1";
  runs.state_version = 3;
  runs.table = option_table<Options>();
  runs.slots = {
      {.name = "code", .codec = "absmax_u8"},
      {.name = "absmax", .shape = SlotShape::per_chunk, .dtype = SlotDtype::float64, .when = "momentum", .initial = 1}};
  runs.traits.unit = Unit::chunk;
  runs.traits.chunk_option = "block_size";
  runs.traits.master = true;
  runs.traits.needs_param = true;
  out.add(runs);
  OptimizerDescriptor matrix;
  matrix.name = "matrix";
  matrix.slots = {{.name = "left",
                   .shape = SlotShape::out_by_out,
                   .exists = [](const OptionValues&, std::int64_t rows, std::int64_t) { return rows < 10; },
                   .identity = true}};
  matrix.traits.unit = Unit::matrix;
  matrix.traits.needs_lr = true;
  matrix.traits.predicated = true;
  matrix.traits.scale_free = true;
  matrix.traits.upholds = {"stiefel"};
  out.add(matrix);
  return out;
}

std::string refusal(const std::string& text) {
  try {
    registry_from_json(text);
  } catch (const OptimizerError& error) {
    return error.what();
  }
  return "";
}

}  // namespace plugins_json_test

using plugins_json_test::refusal;
using plugins_json_test::two_plugins;

TEST_CASE("plugins json: a registry survives the trip through its document") {
  const auto original = two_plugins();
  const auto text = dump_json(plugins_json(original), 2);
  const auto again = registry_from_json(text);
  CHECK(dump_json(plugins_json(again), 2) == text);
  CHECK(again.names() == original.names());
  const auto& a = *original.find("runs");
  const auto& b = *again.find("runs");
  CHECK(b.version == "2.1");
  CHECK(b.state_version == 3);
  CHECK(b.table.defaults() == a.table.defaults());
  for (std::size_t i = 0; i < a.table.options.size(); ++i) {
    const auto& x = a.table.options[i];
    const auto& y = b.table.options[i];
    CAPTURE(x.name);
    CHECK(x.type == y.type);
    CHECK(x.doc == y.doc);
    CHECK(expected(x) == expected(y));
    CHECK(x.schedulable == y.schedulable);
    CHECK(x.arithmetic == y.arithmetic);
    CHECK(x.role == y.role);
    CHECK(x.length == y.length);
  }
  CHECK(b.chunk_length(b.table.defaults()) == 256);
  CHECK(b.scale(b.table.defaults(), 16, 4) == 2.0);
  CHECK(b.traits.master);
  CHECK(b.traits.needs_param);
  CHECK_FALSE(b.traits.needs_lr);
  CHECK(b.slots[1].initial == 1);
  CHECK(b.slots[0].codec == "absmax_u8");
  CHECK(b.slots[1].dtype == SlotDtype::float64);
  CHECK(again.find("matrix")->slots[0].identity);
  CHECK(again.find("matrix")->slots[0].by_shape);
  CHECK(again.find("matrix")->traits.upholds == std::vector<std::string>{"stiefel"});
  CHECK(again.find("matrix")->needs_matrix());
  CHECK_FALSE(b.make);  // one can plan with it, not run
}

TEST_CASE("plugins json: the schemas of both registries are equal") {
  const auto again = registry_from_json(dump_json(plugins_json(two_plugins())));
  CHECK(generated_text(spec_schema(again)) == generated_text(spec_schema(two_plugins())));
}

TEST_CASE("plugins json: a document that does not fit is refused with the place") {
  CHECK_FALSE(refusal("").empty());
  CHECK_FALSE(refusal("[]").empty());
  CHECK(refusal("{}").find("switchyard_plugins") != std::string::npos);
  CHECK(refusal(R"({"switchyard_plugins": 2})").find("switchyard_plugins") != std::string::npos);
  CHECK(refusal(R"({"switchyard_plugins": 1, "plugins": []})").empty());
  CHECK(refusal(R"({"switchyard_plugins": 1, "plugins": [3]})").find("/plugins/0") != std::string::npos);
  CHECK(refusal(R"({"switchyard_plugins": 1, "plugins": [{"name": "a", "traits": {"unit": "molecule"}}]})")
            .find("molecule") != std::string::npos);
  CHECK(refusal(R"({"switchyard_plugins": 1, "plugins": [{"name": "a"}, {"name": "a"}]})").find("taken") !=
        std::string::npos);
  CHECK(
      refusal(
          R"({"switchyard_plugins": 1, "plugins": [{"name": "a", "options": [{"name": "x", "type": "number", "at_least": 0, "default": -1}]}]})")
          .find("/plugins/0/options/0") != std::string::npos);
  CHECK(
      refusal(R"({"switchyard_plugins": 1, "plugins": [{"name": "a", "options": [{"name": "x", "type": "number"}]}]})")
          .find("default") != std::string::npos);
}
