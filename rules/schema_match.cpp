#include <utility>

#include "rules/grammar.h"
#include "rules/schema_fragments.h"
#include "rules/schema_parts.h"

namespace switchyard::schema {

Json condition_schema() {
  const std::string comparison = "^(\\*|(>=|<=|>|<|!=) *[0-9]+|[0-9]+\\.\\.[0-9]+)$";
  return one_or_many(
      any_of(list(integer(0, ""), pattern(comparison))),
      "A number, \"*\", \">=2\", \"<=2\", \">2\", \"<2\", \"!=2\", \"2..4\", or a list of which one must hold.");
}

Json layer_schema() {
  return one_or_many(any_of(list(reference("condition"), enumeration({"first", "last"}))),
                     "A condition on the number of the layer, \"first\", \"last\", or a list of which one must hold.");
}

Json match_schema() {
  const auto matches = [](std::string text) { return array_of(reference("match"), std::move(text), 1); };
  auto shape = array_of(any_of(list(reference("condition"), constant(Json::string("...")))),
                        "Sizes axis by axis: conditions, and at most one \"...\" for any number of axes.");
  auto json = object(
      spots::match(),
      {{"name",
        one_or_many(
            with(of_type("string"), "minLength", Json::integer(1)),
            "Glob of the whole name (`*` within a segment, `**` across, `?`, `[a-c]`, `{a,b}`), or `re:` and a regular "
            "expression; one or a list.")},
       {"ndim", reference("condition", "Number of axes.")},
       {"shape", std::move(shape)},
       {"numel", reference("condition", "Number of elements.")},
       {"dtype", one_or_many(pattern("^(torch\\.)?[a-z][a-z0-9_]*$"), "torch's name of the dtype; one or a list.")},
       {"module", one_or_many(of_type("string"), "Class name of the owning module; one or a list.")},
       {"tied", of_type("boolean", "Whether the tensor has several names.")},
       {"tie_with", one_or_many(with(of_type("string"), "minLength", Json::integer(1)),
                                "Pattern that another name of the tensor matches; one or a list.")},
       {"layer", reference("layer", "Number of the layer, \"first\" or \"last\"; needs `layers`.")},
       {"where",
        with(of_type("string",
                     "Expression over ndim, numel, rows, cols, aspect, fan_in, fan_out, layer, size(k): comparisons, "
                     "and, or, not, + - * /, min, max, sqrt, abs."),
             "minLength", Json::integer(1))},
       {"all", matches("All of these hold.")},
       {"any", matches("At least one of these holds.")},
       {"not", reference("match", "This does not hold.")}},
      {}, "A tensor matches if every condition given here holds.");
  json.set("minProperties", Json::integer(1));
  return json;
}

}  // namespace switchyard::schema
