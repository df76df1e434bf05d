#include "rules/lint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "rules/canonical.h"
#include "rules/lint_layers.h"
#include "rules/name_globs.h"
#include "rules/roles.h"
#include "rules/roles_json.h"
#include "rules/text_table.h"

namespace switchyard {

namespace {

/// Roles that a matrix optimizer does not suit.
struct Unsuited {
  Role role;
  const char* code;
  const char* what;  ///< "`name` is <what>"
  const char* why;
};
constexpr Unsuited unsuited[] = {
    {Role::token_embedding, "SWY-3100", "a lookup table",
     "a step touches a few of its rows, and orthogonalizing would move all of them alike"},
    {Role::tied_embedding, "SWY-3100", "a lookup table that is tied to other tables or the head",
     "a step touches a few of its rows, and orthogonalizing would move all of them alike"},
    {Role::position_table, "SWY-3100", "a table of positions",
     "its rows are looked up or added, no input is multiplied with it"},
    {Role::output_head, "SWY-3100", "an output head", "its rows are classes of very different frequency"},
    {Role::router, "SWY-3102", "a router", "its rows are experts of different load, not directions of a map"},
    {Role::depthwise_conv, "SWY-3104", "a depthwise convolution",
     "it mixes no channels, so its rows are independent filters"},
    {Role::grouped_conv, "SWY-3104", "a grouped convolution", "one block would mix groups that have nothing in common"},
    {Role::stem_conv, "SWY-3105", "the convolution that reads the raw input",
     "its inputs are a few correlated channels"},
    {Role::single_row, "SWY-3106", "a single row or column", "orthogonalizing a vector only normalizes it"},
    {Role::vector, "SWY-3106", "a vector with axes of size 1", "orthogonalizing a vector only normalizes it"},
    {Role::bias, "SWY-3107", "a stack of biases", "its rows are added, no input is multiplied with it"},
    {Role::norm_gain, "SWY-3107", "a table of gains", "they scale element by element"},
    {Role::adapter, "SWY-3108", "a low-rank adapter", "orthogonalizing one factor changes the scale of the product"},
    {Role::decay_table, "SWY-3116", "a table of a recurrence",
     "its elements are rates, no input is multiplied with it"},
};

constexpr std::int64_t huge_aspect = 128;

bool contains(const std::vector<int>& axes, int axis) {
  return std::find(axes.begin(), axes.end(), axis) != axes.end();
}
bool overlap(const std::vector<int>& a, const std::vector<int>& b) {
  return std::any_of(a.begin(), a.end(), [&](int axis) { return contains(b, axis); });
}

/// JSON with spaces while that fits on one line.
std::string one_line(const Json& value) {
  auto text = dump_json(value, 2);
  return text.find('\n') == std::string::npos ? text : dump_json(value);
}

class Linter {
 public:
  Linter(const Spec& spec, const ParameterTable& table, const Plan& plan, const Registry& registry)
      : spec_(spec), table_(table), plan_(plan), registry_(registry), roles_(classify(table)) {}

  Diagnostics run() {
    for (std::size_t i = 0; i < plan_.parameters.size(); ++i) {
      const auto& planned = plan_.parameters[i];
      if (planned.frozen()) continue;
      const auto& plugin = *registry_.find(planned.plugin);
      check_state(i, plugin);
      if (plugin.needs_matrix()) check_matrix(i, plugin);
    }
    check_router_rules();
    Diagnostics out;
    for (const auto& finding : findings_) report(finding, out);
    find_layer_slips(spec_, table_, out);
    out.sort();
    return out;
  }

 private:
  /// One fault of one rule, with the tensors that show it.
  struct Finding {
    Severity severity = Severity::warning;
    std::string code;
    std::string rule;
    std::string fact;  ///< goes on after "`first`"
    std::string note;
    std::string matrix;      ///< the view to write
    std::string fixed_help;  ///< help that is no other rule
    std::vector<std::size_t> members;
  };

  const SpecRule* rule_of(const std::string& id) const {
    for (const auto& rule : spec_.rules) {
      if (rule.id == id) return &rule;
    }
    return nullptr;
  }

  /// The finding of this code, rule and fact, new or known; the tensor is added to it.
  Finding& find(const char* code, std::size_t i, const std::string& fact, const std::string& matrix = {}) {
    const auto& rule = plan_.parameters[i].rule;
    const auto [place, fresh] =
        known_.emplace(std::string(code) + "\n" + rule + "\n" + fact + "\n" + matrix, findings_.size());
    if (fresh) {
      findings_.emplace_back();
      findings_.back().code = code;
      findings_.back().rule = rule;
      findings_.back().fact = fact;
      findings_.back().matrix = matrix;
    }
    auto& finding = findings_[place->second];
    finding.members.push_back(i);
    return finding;
  }

  void check_matrix(std::size_t i, const OptimizerDescriptor& plugin) {
    const auto& role = roles_[i];
    for (const auto& entry : unsuited) {
      if (entry.role != role.role) continue;
      auto& finding =
          find(entry.code, i, fmt::format("is {} and stands on matrix plugin `{}`", entry.what, plugin.name));
      finding.note = fmt::format("{}; {}", role.reason, entry.why);
      return;
    }
    const auto& planned = plan_.parameters[i];
    const auto right = role.oriented ? one_line(view_json(role)) : std::string();
    if (role.role == Role::experts && role.oriented && planned.view.batch.empty()) {
      auto& finding = find("SWY-3109", i, "is a batch of matrices, but its view makes one matrix of them", right);
      finding.note = role.reason;
      return;
    }
    if (!planned.view.batch.empty() && role.role != Role::experts && role.role != Role::dense_conv) {
      auto& finding =
          find("SWY-3109", i, "has a batch axis in its view, but nothing shows that it is a batch of matrices");
      finding.note = role.reason;
      return;
    }
    if (!role.matrix() && !role.fused) return;
    if (role.fused && planned.view.split_axis < 0) {
      auto& finding =
          find("SWY-3101", i, "holds several maps, but its view does not split them", role.split ? right : "");
      finding.note = role.reason;
      return;
    }
    if (role.oriented && !role.assumed && overlap(planned.view.out, role.in) && overlap(planned.view.in, role.out)) {
      auto& finding = find("SWY-3110", i, "has its out and in axes the wrong way round", right);
      finding.note = role.reason;
      return;
    }
    check_blocks(i, plugin);
  }

  void check_blocks(std::size_t i, const OptimizerDescriptor& plugin) {
    const auto& planned = plan_.parameters[i];
    for (const auto& part : planned.parts) {
      const auto few = std::min(part.out, part.in);
      const auto many = std::max(part.out, part.in);
      if (few == 1) {
        find("SWY-3106", i, fmt::format("is cut into blocks of {} x {}", part.out, part.in)).note =
            "orthogonalizing a vector only normalizes it";
        return;
      }
      if (few > 0 && many / few > huge_aspect) {
        auto& finding = find("SWY-3111", i, fmt::format("has blocks more than {} times as long as wide", huge_aspect));
        finding.severity = Severity::note;
        finding.note =
            fmt::format("the first has {} x {}: the short side bounds the rank of every update", part.out, part.in);
        return;
      }
    }
    check_scales(i, plugin);
  }

  /// lr_scale of a rule or an override that repeats the plugin's own factor for the shape.
  void check_scales(std::size_t i, const OptimizerDescriptor& plugin) {
    const auto& planned = plan_.parameters[i];
    const auto* option = plugin.table.with_role(OptionRole::shape_scale);
    if (option == nullptr || planned.parts.empty()) return;
    const auto scale = planned.parts[0].scale;
    if (scale == 1) return;
    const auto repeats = [&](double factor) { return std::abs(factor / scale - 1) < 0.01; };
    std::string who;
    if (planned.factors.modular_norm != 1) who = "modular_norm";
    if (repeats(planned.factors.rule)) who = fmt::format("`lr_scale` of rule `{}`", planned.rule);
    for (const auto& [id, factor] : planned.factors.overrides) {
      if (repeats(factor)) who = fmt::format("`lr_scale` of override `{}`", id);
    }
    if (who.empty()) return;
    auto& finding =
        find("SWY-3112", i, fmt::format("has its width scaled twice: by {} and by option `{}`", who, option->name));
    finding.note = fmt::format("the first has the factor {:.4g} of `{}` already", scale, option->name);
    finding.fixed_help = fmt::format("remove that factor, or set \"{}\": \"none\"", option->name);
  }

  void check_state(std::size_t i, const OptimizerDescriptor& plugin) {
    const auto role = roles_[i].role;
    if (role != Role::token_embedding && role != Role::tied_embedding) return;
    const auto& settings = plan_.parameters[i].settings;
    if (std::none_of(plugin.slots.begin(), plugin.slots.end(),
                     [&](const Slot& slot) { return slot.encoded() && slot.active(settings); }))
      return;
    find("SWY-3113", i, fmt::format("is a lookup table whose state plugin `{}` keeps in 8 bits", plugin.name)).note =
        "gradients of rare rows are far below those of common ones in the same run, and are rounded to nothing";
  }

  /// A rule that is about routers, but takes linear maps from the matrix optimizer too.
  void check_router_rules() {
    std::map<std::string, std::vector<std::size_t>> maps;
    std::map<std::string, std::size_t> routers;
    bool matrix_used = false;
    for (std::size_t i = 0; i < plan_.parameters.size(); ++i) {
      const auto& planned = plan_.parameters[i];
      if (planned.frozen()) continue;
      const bool matrix = registry_.find(planned.plugin)->needs_matrix();
      matrix_used = matrix_used || matrix;
      if (roles_[i].role == Role::router) ++routers[planned.rule];
      if (!matrix && roles_[i].matrix()) maps[planned.rule].push_back(i);
    }
    if (!matrix_used) return;
    for (const auto& [id, members] : maps) {
      const auto* rule = rule_of(id);
      if (rule == nullptr || routers[id] == 0 || !about_routers(*rule)) continue;
      for (const auto i : members) {
        auto& finding = find("SWY-3103", i, fmt::format("is a linear map, but rule `{}` is about routers", id));
        finding.note = roles_[i].reason;
      }
    }
  }

  bool about_routers(const SpecRule& rule) const {
    const auto says = [](const std::string& text) {
      return text.find("gate") != std::string::npos || text.find("rout") != std::string::npos;
    };
    return says(rule.id) || std::any_of(rule.match.names.begin(), rule.match.names.end(), [&](int i) {
             return says(spec_.patterns[static_cast<std::size_t>(i)]->text());
           });
  }

  /// The tensors of a finding as patterns that match none of the others.
  std::string names_json(const Finding& finding) const {
    std::vector<std::vector<std::string>> groups(2);
    std::size_t next = 0;
    for (std::size_t i = 0; i < table_.size(); ++i) {
      const bool own = next < finding.members.size() && finding.members[next] == i;
      if (own) ++next;
      auto& group = groups[own ? 0 : 1];
      group.insert(group.end(), table_[i].names.begin(), table_[i].names.end());
    }
    const auto globs = name_globs(groups)[0];
    auto list = Json::array();
    for (const auto& glob : globs) list.push(Json::string(glob));
    return one_line(globs.size() == 1 ? Json::string(globs[0]) : list);
  }

  /// The id of an optimizer of the wanted kind; of "element" or "matrix" if the spec has none.
  std::string optimizer(bool matrix) const {
    for (const auto& entry : spec_.optimizers) {
      const auto* plugin = registry_.find(entry.plugin);
      const bool small =
          std::any_of(plugin->slots.begin(), plugin->slots.end(), [](const Slot& slot) { return slot.encoded(); });
      if (plugin->needs_matrix() == matrix && !small) return entry.id;
    }
    return matrix ? "matrix" : "element";
  }

  std::string help_of(const Finding& finding) {
    if (!finding.fixed_help.empty()) return finding.fixed_help;
    if (finding.severity == Severity::note) return "";
    const bool to_matrix = finding.code == "SWY-3103";
    const auto use = finding.matrix.empty() ? optimizer(to_matrix) : plan_.parameters[finding.members[0]].optimizer;
    auto view = finding.matrix;
    if (to_matrix) {
      const auto json = view_json(roles_[finding.members[0]]);
      if (json.size() > 0) view = one_line(json);
    }
    std::string id = finding.rule == "fallback" ? "" : finding.rule + "-";
    id += finding.matrix.empty() && !to_matrix ? "exception" : "matrices";
    const auto stem = id;
    for (int n = 2; rule_of(id) != nullptr || !suggested_.insert(id).second; ++n) id = fmt::format("{}-{}", stem, n);
    return fmt::format("write before it: {{\"id\": {}, \"match\": {{\"name\": {}}}, \"use\": {}{}}}",
                       dump_json(Json::string(id)), names_json(finding), dump_json(Json::string(use)),
                       view.empty() ? "" : ", \"matrix\": " + view);
  }

  void report(const Finding& finding, Diagnostics& out) {
    const auto* rule = rule_of(finding.rule);
    const auto& first = plan_.parameters[finding.members[0]].info.name();
    const auto others = static_cast<long long>(finding.members.size()) - 1;
    auto message = fmt::format("`{}` {}", printable(first), finding.fact);
    if (others > 0) message += fmt::format(" (and {} with it)", counted(others, "tensor"));
    auto& made = out.add(finding.severity, finding.code, std::move(message),
                         rule != nullptr ? rule->place : spec_.fallback_place);
    made.label = rule != nullptr ? "this rule takes it" : "the fallback takes it";
    made.help = help_of(finding);
    made.subject = first;
    if (!finding.note.empty()) made.notes.push_back(finding.note);
  }

  const Spec& spec_;
  const ParameterTable& table_;
  const Plan& plan_;
  const Registry& registry_;
  std::vector<ParameterRole> roles_;
  std::map<std::string, std::size_t> known_;
  std::vector<Finding> findings_;
  std::set<std::string> suggested_;  ///< ids of rules in helps, so that all can be followed
};

}  // namespace

Diagnostics lint(const Spec& spec, const ParameterTable& table, const Plan& plan, const Registry& registry) {
  if (spec.strip.empty()) return Linter(spec, table, plan, registry).run();
  Diagnostics ignored;  // there is a plan, so there are no errors
  const auto stripped = canonical_table(table, spec.strip, spec.strip_place, ignored);
  return Linter(spec, stripped ? *stripped : table, plan, registry).run();
}

}  // namespace switchyard
