#include <utility>
#include <vector>

#include "core/schedule.h"
#include "rules/grammar.h"
#include "rules/schema_fragments.h"
#include "rules/schema_parts.h"

namespace switchyard::schema {

Json schedule_schema() {
  std::vector<std::string> kinds;
  for (const auto kind : {Schedule::Kind::constant, Schedule::Kind::linear, Schedule::Kind::cosine, Schedule::Kind::wsd,
                          Schedule::Kind::piecewise}) {
    kinds.emplace_back(to_string(kind));
  }
  std::vector<std::string> shapes;
  for (const auto shape : {Schedule::Shape::linear, Schedule::Shape::sqrt, Schedule::Shape::cosine})
    shapes.emplace_back(to_string(shape));
  const auto steps = [](std::string text) {
    return any_of(list(integer(0, ""), pattern("^[0-9]+(\\.[0-9]+)?%$")), std::move(text));
  };
  auto point = of_type("array");
  point.set("items", list(steps("t"), of_type("number")));
  point.set("minItems", Json::integer(2));
  point.set("maxItems", Json::integer(2));
  auto points =
      array_of(std::move(point), "piecewise: pairs [t, value] with rising t; straight lines between them.", 1);
  auto json = object(spots::schedule(),
                     {{"kind", enumeration(kinds, "How the value falls after the warmup.")},
                      {"peak", with(of_type("number", "Largest value; 1 for a schedule of lr."), "default",
                                    Json::real(Schedule{}.peak))},
                      {"floor", with(of_type("number", "Value at the end."), "default", Json::real(Schedule{}.floor))},
                      {"warmup", steps("Steps of linear warmup, or a percentage of total: (t + 1) / warmup.")},
                      {"total", integer(1, "Steps of the whole training; past them the last value holds.")},
                      {"decay", steps("wsd: steps of the fall at the end, or a percentage of total.")},
                      {"shape", enumeration(shapes, "wsd: form of the fall.")},
                      {"points", std::move(points)}},
                     {}, "A value as a function of t, the number of steps applied so far.");
  struct KindKeys {
    const char* kind;
    std::vector<std::string> keys;
    std::vector<std::string> required;
  };
  const std::vector<KindKeys> rows = {
      {"constant", {"kind", "peak", "warmup", "total"}, {}},
      {"linear", {"kind", "peak", "floor", "warmup", "total"}, {"total"}},
      {"cosine", {"kind", "peak", "floor", "warmup", "total"}, {"total"}},
      {"wsd", {"kind", "peak", "floor", "warmup", "total", "decay", "shape"}, {"total", "decay"}},
      {"piecewise", {"kind", "points", "total"}, {"points"}}};
  auto all = Json::array();
  for (const auto& [kind, keys, required] : rows) {
    auto then = with(Json::object(), "propertyNames", with(Json::object(), "enum", text_list(keys)));
    if (!required.empty()) then.set("required", text_list(required));
    all.push(when("kind", Json::string(kind), std::move(then)));
  }
  json.set("allOf", std::move(all));
  return json;
}

}  // namespace switchyard::schema
