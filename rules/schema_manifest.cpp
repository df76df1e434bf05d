#include <utility>

#include "core/json.h"
#include "rules/grammar.h"
#include "rules/schema.h"
#include "rules/schema_parts.h"

namespace switchyard {

namespace schema {

namespace {

constexpr std::int64_t most_axes = 64;

Json integers(std::string text) {
  return with(array_of(integer(0, ""), std::move(text)), "maxItems", Json::integer(most_axes));
}

Json storage_schema() {
  return object(
      spots::storage(),
      {{"id", of_type("string", "Name of the storage; tensors of one storage are views of it.")},
       {"offset", integer(0, "Position of the first element, in elements.")},
       {"strides", integers("Elements between neighbours, axis by axis.")}},
      {"id", "offset", "strides"},
      "Where the elements lie. Equal storage, offset, shape and strides make a tie; without `storage`, entries "
      "are distinct tensors.");
}

Json parameter_schema() {
  auto names = array_of(with(of_type("string"), "minLength", Json::integer(1)),
                        "All names of the tensor, the display name first.", 1);
  names.set("uniqueItems", Json::boolean(true));
  auto dtype = of_type("string", "torch's name of the dtype, with or without `torch.`.");
  dtype.set("examples", text_list({"float32", "bfloat16", "float16", "float64"}));
  auto module = of_type("string", "Class name of the module that owns the tensor.");
  module.set("examples", text_list({"Linear", "Embedding", "Conv1D", "Conv2d", "LayerNorm"}));
  return object(spots::parameter(),
                {{"names", std::move(names)},
                 {"shape", integers("Sizes, axis by axis; [] for a scalar.")},
                 {"dtype", std::move(dtype)},
                 {"requires_grad", with(of_type("boolean", "Whether it is trained."), "default", Json::boolean(true))},
                 {"module", std::move(module)},
                 {"storage", reference("storage")}},
                {"names", "shape", "dtype"}, "A tensor of the model.");
}

}  // namespace

}  // namespace schema

Json manifest_schema() {
  using namespace schema;
  auto json = document("Switchyard manifest, version 1");
  append(json, object(spots::manifest(),
                      {{"switchyard_manifest", constant(Json::integer(1), "Version of the format.")},
                       {"$schema", of_type("string", "Ignored; for editors.")},
                       {"model", of_type("string", "Name of the model.")},
                       {"source", of_type("string", "For people: where the list comes from.")},
                       {"parameters", array_of(reference("parameter"), "The tensors, in the order of the model.")}},
                      {"switchyard_manifest", "model", "parameters"},
                      "A model described by a file: names, shapes, dtypes and ties, no weights."));
  auto& definitions = json.set("definitions", Json::object());
  definitions.set("parameter", parameter_schema());
  definitions.set("storage", storage_schema());
  return json;
}

}  // namespace switchyard
