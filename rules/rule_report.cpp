#include "rules/rule_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "rules/canonical.h"
#include "rules/match_index.h"
#include "rules/plan_diff.h"
#include "rules/plan_text.h"
#include "rules/text_table.h"
#include "rules/view_drawing.h"

namespace switchyard {

namespace {

using Align = TextTable::Align;

/// Tensors with one key, in order of first appearance.
struct Bundle {
  std::string key;
  std::vector<const RuleReport::Tensor*> tensors;

  std::string names() const {
    std::vector<std::string> list;
    for (const auto* tensor : tensors) list.push_back(tensor->info.name());
    return folded_names(list);
  }
};

template <class Key>
std::vector<Bundle> bundled(const std::vector<RuleReport::Tensor>& tensors, Key&& key) {
  std::vector<Bundle> out;
  std::unordered_map<std::string, std::size_t> index;
  for (const auto& tensor : tensors) {
    const auto [found, fresh] = index.emplace(key(tensor), out.size());
    if (fresh) out.push_back({found->first, {}});
    out[found->second].tensors.push_back(&tensor);
  }
  return out;
}

std::string shape_key(const RuleReport::Tensor& tensor) {
  return tensor.info.dtype_name + " " + to_string(tensor.info.shape);
}

std::int64_t elements(const RuleReport& report) {
  std::int64_t sum = 0;
  for (const auto& tensor : report.won) sum += tensor.info.numel();
  return sum;
}

/// One drawing for all tensors of a shape and a view.
struct Drawing {
  const PlannedParameter* first = nullptr;
  std::size_t tensors = 0;
  std::string text;
};

std::vector<Drawing> drawings(const RuleReport& report, const Plan* plan) {
  std::vector<Drawing> out;
  if (plan == nullptr) return out;
  std::unordered_map<std::string, const PlannedParameter*> planned;
  for (const auto& parameter : plan->parameters) planned.emplace(parameter.info.name(), &parameter);
  for (const auto& tensor : report.won) {
    const auto* parameter = planned.at(tensor.info.name());
    auto text = view_drawing(*parameter);
    if (text.empty()) continue;
    const auto known = std::find_if(out.begin(), out.end(), [&](const Drawing& drawing) {
      return drawing.first->info.shape == parameter->info.shape && drawing.text == text;
    });
    if (known == out.end()) {
      out.push_back({parameter, 1, std::move(text)});
    } else {
      ++known->tensors;
    }
  }
  return out;
}

int line_of(const Place& place, const Sources& sources) {
  const auto source = sources.find(place.span.file);
  return source == sources.end() ? 0 : line_column(source->second, place.span.offset).line;
}

Json sizes_json(const std::vector<std::int64_t>& shape) {
  auto list = Json::array();
  for (const auto size : shape) list.push(Json::integer(size));
  return list;
}

}  // namespace

std::optional<RuleReport> report_rule(const Spec& spec, const ParameterTable& given, const std::string& id) {
  RuleReport out;
  const auto found =
      std::find_if(spec.rules.begin(), spec.rules.end(), [&](const SpecRule& rule) { return rule.id == id; });
  if (found == spec.rules.end()) return std::nullopt;
  out.rule = *found;
  if (found->disabled) return out;
  std::optional<ParameterTable> stripped;
  if (!spec.strip.empty()) {
    Diagnostics ignored;  // make_plan reports them
    stripped = canonical_table(given, spec.strip, spec.strip_place, ignored);
  }
  const auto& table = stripped ? *stripped : given;
  const auto entry = [](const SpecRule& rule) {
    return MatchIndex::Entry{&rule.match, rule.except ? &*rule.except : nullptr, !rule.disabled};
  };
  // Two indexes: the earlier rules are asked only about what this one matches.
  MatchIndex own(spec.patterns, {entry(*found)}, table, &spec.layers);
  std::optional<MatchIndex> earlier;
  std::vector<std::uint64_t> bits;
  for (const auto& info : table.parameters()) {
    own.matching(info, info.names, bits);
    if ((bits[0] & 1) == 0) continue;
    const auto reason = why(found->match, {info, spec.patterns, own.hits(), spec.layers.of(info)});
    if (!earlier) {
      std::vector<MatchIndex::Entry> entries;
      std::transform(spec.rules.begin(), found, std::back_inserter(entries), entry);
      earlier.emplace(spec.patterns, std::move(entries), table, &spec.layers);
    }
    earlier->matching(info, info.names, bits);
    const auto first = std::find_if(bits.begin(), bits.end(), [](std::uint64_t word) { return word != 0; });
    if (first == bits.end()) {
      out.won.push_back({info, id, reason, found->place});
    } else {
      const auto number =
          static_cast<std::size_t>(first - bits.begin()) * 64 + static_cast<std::size_t>(__builtin_ctzll(*first));
      const auto& winner = spec.rules[number];
      out.lost.push_back({info, winner.id, reason, winner.place});
    }
  }
  return out;
}

std::string rule_report_text(const RuleReport& report, const Plan* plan, const Sources& sources) {
  const auto& rule = report.rule;
  auto out = fmt::format("rule {}   use {}   {}\n", printable(rule.id), printable(rule.use),
                         render_location(rule.place.span, sources));
  if (!rule.note.empty()) out += fmt::format("  note     {}\n", printable(rule.note));
  if (!rule.set.empty()) out += fmt::format("  set      {}\n", printable(rule.set.text()));
  if (rule.disabled) return out + "  disabled: it takes nothing\n";
  out += fmt::format("  matches  {}, takes {}, loses {}; {} taken\n",
                     counted(static_cast<long long>(report.matched()), "tensor"),
                     grouped(static_cast<long long>(report.won.size())),
                     grouped(static_cast<long long>(report.lost.size())), counted(elements(report), "element"));
  TextTable won({Align::left, Align::right, Align::left, Align::left, Align::left});
  for (const auto& bundle : bundled(report.won, shape_key)) {
    won.row({"takes", counted(static_cast<long long>(bundle.tensors.size()), "tensor"), bundle.key, bundle.names(),
             printable(bundle.tensors[0]->why)});
  }
  TextTable lost({Align::left, Align::right, Align::left, Align::left, Align::left});
  for (const auto& bundle : bundled(report.lost, [](const auto& tensor) { return tensor.winner; })) {
    lost.row({"loses", counted(static_cast<long long>(bundle.tensors.size()), "tensor"), "to " + printable(bundle.key),
              bundle.names(), render_location(bundle.tensors[0]->winner_place.span, sources)});
  }
  out += won.text(2) + lost.text(2);
  for (const auto& drawing : drawings(report, plan)) {
    out += fmt::format("\nview of {}, {}\n{}", to_string(drawing.first->info.shape),
                       counted(static_cast<long long>(drawing.tensors), "tensor"), drawing.text);
  }
  return out;
}

Json rule_report_json(const RuleReport& report, const Plan* plan, const Diagnostics& diagnostics,
                      const Sources& sources) {
  auto json = Json::object();
  json.set("switchyard_explain_rule", Json::integer(1));
  auto rule = Json::object();
  rule.set("id", report.rule.id);
  rule.set("use", report.rule.use);
  rule.set("disabled", Json::boolean(report.rule.disabled));
  rule.set("file", report.rule.place.span.file);
  rule.set("line", Json::integer(line_of(report.rule.place, sources)));
  json.set("rule", std::move(rule));
  json.set("matched", Json::integer(static_cast<std::int64_t>(report.matched())));
  json.set("won", Json::integer(static_cast<std::int64_t>(report.won.size())));
  json.set("lost", Json::integer(static_cast<std::int64_t>(report.lost.size())));
  json.set("elements", Json::integer(elements(report)));
  auto tensors = Json::array();
  for (const auto* list : {&report.won, &report.lost}) {
    for (const auto& tensor : *list) {
      auto row = Json::object();
      row.set("name", tensor.info.name());
      row.set("shape", sizes_json(tensor.info.shape));
      row.set("dtype", tensor.info.dtype_name);
      row.set("won", Json::boolean(list == &report.won));
      row.set("winner", tensor.winner);
      row.set("why", tensor.why);
      tensors.push(std::move(row));
    }
  }
  json.set("tensors", std::move(tensors));
  auto views = Json::array();
  for (const auto& drawing : drawings(report, plan)) {
    auto row = Json::object();
    row.set("shape", sizes_json(drawing.first->info.shape));
    row.set("tensors", Json::integer(static_cast<std::int64_t>(drawing.tensors)));
    row.set("blocks", view_text(*drawing.first));
    auto lines = Json::array();
    std::istringstream text(drawing.text);
    for (std::string line; std::getline(text, line);) lines.push(Json::string(line));
    row.set("drawing", std::move(lines));
    views.push(std::move(row));
  }
  json.set("views", std::move(views));
  auto list = Json::array();
  for (const auto& diagnostic : diagnostics.items()) list.push(to_json(diagnostic, sources));
  json.set("diagnostics", std::move(list));
  return json;
}

}  // namespace switchyard
