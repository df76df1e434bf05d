#include <fmt/format.h>

#include "rules/spec_reader.h"

namespace switchyard {

namespace {

constexpr std::int64_t most_layers = 1'000'000;
constexpr std::size_t most_stacks = 32;

void report(SpecDraft& draft, const Node& node, const PatternError& error, bool empty) {
  auto& finding = draft.read.error(empty ? "SWY-1019" : "SWY-1020", error.message,
                                   empty ? node.place() : draft.read.inside(node, error.offset, error.length));
  finding.label = "here";
  finding.help = error.help;
}

std::vector<std::shared_ptr<const Pattern>> read_patterns(SpecDraft& draft, const Node& node) {
  std::vector<std::shared_ptr<const Pattern>> out;
  draft.read.texts(node, fmt::format("`{}`", node.key()), [&](const Node& item, const std::string& text) {
    PatternError error;
    auto pattern = Pattern::compile(text, error);
    if (pattern) {
      out.push_back(std::move(pattern));
    } else {
      report(draft, item, error, text.empty());
    }
  });
  return out;
}

void read_stack(SpecDraft& draft, const Node& node) {
  auto& read = draft.read;
  if (!read.object(node, spots::layers())) return;
  LayerStack stack;
  if (const auto index = read.require(node, "index", "`layers`")) {
    stack.place = index->place();
    PatternError error;
    const auto text = read.text(*index, "`index`");
    if (text && !stack.compile(*text, error)) report(draft, *index, error, text->empty());
  }
  if (const auto count = read.require(node, "count", "`layers`")) {
    stack.count_place = count->place();
    stack.count = read.integer(*count, "`count`", 1, most_layers).value_or(0);
  }
  if (const auto before = node.child("before")) stack.before = read_patterns(draft, *before);
  if (const auto after = node.child("after")) stack.after = read_patterns(draft, *after);
  draft.spec.layers.stacks.push_back(std::move(stack));
}

/// Adds one condition; false if it is broken.
bool add_condition(SpecDraft& draft, const Node& node, LayerCondition& out) {
  std::string text;
  const auto& json = node.json();
  const bool word = json.is(Json::Kind::string);
  if (word && json.as_string() == "first") {
    out.first = true;
    text = "first";
  } else if (word && json.as_string() == "last") {
    out.last = true;
    text = "last";
  } else if (word && !json.as_string().empty() && json.as_string().find_first_of("0123456789*") == std::string::npos) {
    auto& finding = draft.read.error("SWY-1013", fmt::format("`layer` has no condition {}", shown(json)), node.place());
    finding.label = "expected \"first\", \"last\", an integer, \">=n\", \"a..b\", \"*\" ...";
    finding.help = did_you_mean(json.as_string(), {"first", "last"});
    return false;
  } else {
    auto numbers = read_condition(draft, node, "`layer`");
    if (!numbers) return false;
    out.numbers.ranges.insert(out.numbers.ranges.end(), numbers->ranges.begin(), numbers->ranges.end());
    text = std::move(numbers->text);
  }
  out.text += (out.text.empty() ? "" : " or ") + text;
  return true;
}

}  // namespace

void read_layers(SpecDraft& draft, const Node& layers) {
  draft.has_layers = true;
  if (!layers.json().is(Json::Kind::array)) {
    read_stack(draft, layers);
    return;
  }
  if (!draft.read.array(layers, "`layers`", 1)) return;
  if (layers.json().size() > most_stacks) {
    draft.read.error("SWY-1005", fmt::format("more than {} stacks of layers", most_stacks), layers.key_place());
    return;
  }
  for (std::size_t i = 0; i < layers.json().size(); ++i) read_stack(draft, Node(layers, i));
}

std::optional<LayerCondition> read_layer(SpecDraft& draft, const Node& layer) {
  LayerCondition out;
  bool good = true;
  if (layer.json().is(Json::Kind::array)) {
    good = draft.read.array(layer, "`layer`", 1);
    for (std::size_t i = 0; i < layer.json().size(); ++i) {
      const Node item(layer, i);
      if (item.json().is(Json::Kind::array)) {
        draft.read.wrong_type(item, "an entry of `layer`", "an integer or a condition");
        good = false;
      } else {
        good = add_condition(draft, item, out) && good;
      }
    }
  } else {
    good = add_condition(draft, layer, out);
  }
  if (!draft.has_layers) {
    auto& finding =
        draft.read.error("SWY-1156", "`layer` needs the `layers` of the spec, which it lacks", layer.key_place());
    finding.help = "add \"layers\": {\"index\": \"model.layers.{i:int}.**\", \"count\": ...}";
    return std::nullopt;
  }
  if (!good) return std::nullopt;
  return out;
}

}  // namespace switchyard
