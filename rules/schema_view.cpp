#include <utility>

#include "rules/grammar.h"
#include "rules/schema_fragments.h"
#include "rules/schema_parts.h"

namespace switchyard::schema {

Json view_schema() {
  const auto axes = [](std::string text) {
    return array_of(with(integer(0, ""), "maximum", Json::integer(63)), std::move(text), 1);
  };
  const auto axis = [](std::string text) { return with(integer(0, std::move(text)), "maximum", Json::integer(63)); };
  auto part =
      object(spots::part(),
             {{"name", with(of_type("string", "Name of the part."), "pattern", Json::string("^[A-Za-z0-9_.-]{1,64}$"))},
              {"size", integer(1, "Indices of one run.")}},
             {"size"}, "A named part.");
  auto sizes = array_of(any_of(list(integer(1, "Indices of one run."), std::move(part))), "", 2);
  auto parts = any_of(list(integer(2, "Number of equal parts."), std::move(sizes)),
                      "A number of equal parts, or sizes that add up to one run.");
  auto split = object(spots::split(),
                      {{"axis", axis("The axis that is cut.")},
                       {"parts", std::move(parts)},
                       {"interleave", integer(1, "The axis is this many equal runs, each holding all parts.")}},
                      {"axis", "parts"}, "Parts of an axis that are matrices of their own (fused q|k|v).");
  auto heads = object(spots::heads(),
                      {{"axis", axis("The axis that is cut.")},
                       {"count", integer(1, "Number of heads; only without a split.")},
                       {"size", integer(1, "Indices of one head.")}},
                      {"axis"}, "Heads along an axis that are matrices of their own.");
  heads.set("oneOf", list(needs({"count"}), needs({"size"})));
  auto flatten = object(spots::flatten(), {{"out", axes("Axes of the rows.")}, {"in", axes("Axes of the columns.")}},
                        {"out", "in"}, "Another spelling of out and in.");
  auto json = object(spots::view(),
                     {{"batch", axes("Axes over separate matrices (experts).")},
                      {"out", axes("Axes of the rows.")},
                      {"in", axes("Axes of the columns.")},
                      {"flatten", std::move(flatten)},
                      {"transpose", of_type("boolean", "Swaps the default roles of the axes.")},
                      {"split", std::move(split)},
                      {"heads", std::move(heads)}},
                     {}, "How the axes, as stored, form matrices. ndim 2 has out [0], in [1] unless said otherwise.");
  json.set("minProperties", Json::integer(1));
  return json;
}

}  // namespace switchyard::schema
