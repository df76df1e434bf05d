#include "rules/init.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "rules/name_globs.h"
#include "rules/planner.h"
#include "rules/roles_json.h"
#include "rules/spec.h"

namespace switchyard {

namespace {

/// Tensors of more than one axis that one rule takes.
struct Group {
  Role role = Role::other;
  bool matrix = false;
  std::string id;
  std::vector<std::size_t> members;  ///< numbers in the table
};

/// Id of a rule, in the order in which rules are written: tables and other exceptions first, linear maps last.
struct RuleName {
  Role role;
  const char* id;
};
constexpr RuleName rule_names[] = {
    {Role::tied_embedding, "embedding-and-head"},
    {Role::token_embedding, "embeddings"},
    {Role::output_head, "head"},
    {Role::position_table, "positions"},
    {Role::router, "routers"},
    {Role::adapter, "adapters"},
    {Role::bias, "stacked-biases"},
    {Role::norm_gain, "norm-tables"},
    {Role::decay_table, "decay-tables"},
    {Role::vector, "broadcast-vectors"},
    {Role::scalar, "scalars"},
    {Role::single_row, "single-rows"},
    {Role::stem_conv, "stem-convolutions"},
    {Role::depthwise_conv, "depthwise-convolutions"},
    {Role::grouped_conv, "grouped-convolutions"},
    {Role::other, "unclear"},
    {Role::fused_qkv, "fused-qkv"},
    {Role::fused_gate_up, "fused-gate-up"},
    {Role::fused_other, "fused-maps"},
    {Role::experts, "experts"},
    {Role::dense_conv, "convolutions"},
    {Role::linear, "linear-maps"},
};

std::size_t rank_of(Role role) {
  std::size_t rank = 0;
  for (const auto& entry : rule_names) {
    if (entry.role == role) return rank;
    ++rank;
  }
  return rank;
}

bool same_split(const RoleSplit& a, const RoleSplit& b) {
  return a.axis == b.axis && a.equal == b.equal && a.parts == b.parts && a.interleave == b.interleave;
}

class SpecWriter {
 public:
  SpecWriter(const ParameterTable& table, const std::vector<ParameterRole>& roles, const std::string& name)
      : table_(table), roles_(roles), name_(name) {
    find_groups();
  }

  /// Rule ids by tensor, as `write` routes them; "" for frozen ones.
  const std::vector<std::string>& routes() const { return routes_; }
  const std::vector<ParameterRole>& roles() const { return roles_; }

  std::string write(bool short_names) {
    std::vector<std::vector<std::string>> names;
    for (const auto& group : groups_) {
      auto& own = names.emplace_back();
      for (const auto i : group.members) {
        for (const auto& name : table_[i].names) own.push_back(short_names ? name : literal_glob(name));
      }
    }
    if (short_names) names = name_globs(names);
    auto rules = Json::array();
    if (vectors_ > 0) rules.push(vectors_rule());
    for (std::size_t g = 0; g < groups_.size(); ++g) write_rules(groups_[g], names[g], rules);
    auto spec = Json::object();
    spec.set("switchyard", Json::integer(1));
    if (!name_.empty()) spec.set("name", name_);
    spec.set(
        "description",
        "Written by `switchyard init`: `note` says why each rule is there. Learning rates are common starting points, "
        "to be tuned.");
    spec.set("optimizers", optimizers());
    spec.set("rules", std::move(rules));
    spec.set("fallback", "error");
    return dump_json(spec, 2) + "\n";
  }

 private:
  static std::string name_of(const ParameterRole& role) {
    std::string id = rule_names[rank_of(role.role)].id;
    if (role.role == Role::experts && role.fused) id = "experts-gate-up";
    if (!role.matrix()) return id;
    const bool in_out = role.out[0] > role.in[0];
    if (role.role == Role::dense_conv && in_out) return "transposed-" + id;
    if (role.role == Role::linear && in_out) return id + "-in-out";
    return id;
  }

  /// What must be equal for two tensors to share a rule.
  static std::string key_of(const ParameterRole& role, const std::string& id) {
    if (!role.matrix()) {
      if (!role.guess) return id;
      return fmt::format("{} guess {} {}", id, role.guess->axis,
                         dump_json(split_json(*role.guess, !equal_parts(*role.guess))));
    }
    auto key = fmt::format("{} {}", id, dump_json(view_json(role, std::nullopt)));
    if (role.split) key += dump_json(split_json(*role.split, !equal_parts(*role.split)));
    return key;
  }

  void find_groups() {
    std::map<std::string, std::size_t> known;
    routes_.resize(table_.size());
    for (std::size_t i = 0; i < table_.size(); ++i) {
      const auto& info = table_[i];
      if (!info.requires_grad) continue;
      if (info.shape.size() <= 1) {
        ++vectors_;
        continue;
      }
      const auto& role = roles_[i];
      const auto id = name_of(role);
      const auto [place, fresh] = known.emplace(key_of(role, id), groups_.size());
      if (fresh) groups_.push_back({role.role, role.matrix(), id, {}});
      groups_[place->second].members.push_back(i);
    }
    std::stable_sort(groups_.begin(), groups_.end(), [](const Group& a, const Group& b) {
      return std::pair(a.matrix, rank_of(a.role)) < std::pair(b.matrix, rank_of(b.role));
    });
    std::map<std::string, int> uses;
    for (auto& group : groups_) {
      // A fused tensor that stays whole must not share the id of the rule for those that are split.
      if (!group.matrix && roles_[group.members[0]].fused) group.id += "-whole";
      const auto use = ++uses[group.id];
      if (use > 1) group.id += fmt::format("-{}", use);
      for (const auto i : group.members) routes_[i] = group.id;
    }
    for (std::size_t i = 0; i < table_.size(); ++i) {
      if (table_[i].requires_grad && table_[i].shape.size() <= 1) routes_[i] = "vectors";
    }
  }

  static Json rule(const std::string& id, const std::vector<std::string>& names, const char* use) {
    auto out = Json::object();
    out.set("id", id);
    auto match = Json::object();
    if (names.size() == 1) {
      match.set("name", names[0]);
    } else {
      auto list = Json::array();
      for (const auto& name : names) list.push(Json::string(name));
      match.set("name", std::move(list));
    }
    out.set("match", std::move(match));
    out.set("use", use);
    return out;
  }

  static Json vectors_rule() {
    auto out = Json::object();
    out.set("id", "vectors");
    auto match = Json::object();
    match.set("ndim", "<=1");
    out.set("match", std::move(match));
    out.set("use", "element");
    out.set("note", "Gains, biases and single numbers have no matrix to orthogonalize; they take no weight decay.");
    return out;
  }

  /// The reasons of its members: each once, at most three.
  std::string note_of(const Group& group) const {
    std::vector<std::string> reasons;
    for (const auto i : group.members) {
      const auto& reason = roles_[i].reason;
      if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end() && reasons.size() < 3)
        reasons.push_back(reason);
    }
    auto note = fmt::format("{}.", fmt::join(reasons, "; "));
    if (note[0] >= 'a' && note[0] <= 'z') note[0] = static_cast<char>(note[0] - 'a' + 'A');
    return note;
  }

  /// The split of all members with sizes where they are the same; else the number of parts.
  Json common_split(const Group& group, std::optional<RoleSplit> ParameterRole::*which) const {
    const auto& first = *(roles_[group.members[0]].*which);
    const bool sizes = std::all_of(group.members.begin(), group.members.end(),
                                   [&](std::size_t i) { return same_split(*(roles_[i].*which), first); });
    return split_json(first, sizes);
  }

  void write_rules(const Group& group, const std::vector<std::string>& names, Json& rules) const {
    const auto& role = roles_[group.members[0]];
    if (!group.matrix && role.guess && role.oriented) {
      auto id = group.id;
      id.replace(id.find("-whole"), 6, "-split");
      auto disabled = rule(id, names, "matrix");
      auto split = common_split(group, &ParameterRole::guess);
      if (role.guess->interleave == 1) split.set("interleave", Json::integer(1));
      disabled.set("matrix", view_json(role, std::move(split)));
      disabled.set("note",
                   fmt::format("To fill in: with whole parts one behind the other leave interleave at 1; where each "
                               "head (or group of heads) holds all parts, interleave is their number, and parts "
                               "may need sizes. Then remove `disabled` and the rule `{}`.",
                               group.id));
      disabled.set("disabled", Json::boolean(true));
      rules.push(std::move(disabled));
    }
    auto out = rule(group.id, names, group.matrix ? "matrix" : "element");
    if (group.matrix) {
      std::optional<Json> split;
      if (role.split) split = common_split(group, &ParameterRole::split);
      auto matrix = view_json(role, split);
      if (matrix.size() > 0) out.set("matrix", std::move(matrix));
    }
    out.set("note", note_of(group));
    rules.push(std::move(out));
  }

  Json optimizers() const {
    auto out = Json::object();
    bool matrix = false;
    bool element = vectors_ > 0;
    for (const auto& group : groups_) {
      const auto& role = roles_[group.members[0]];
      // A disabled rule needs its optimizer as well.
      matrix = matrix || group.matrix || (role.guess && role.oriented);
      element = element || !group.matrix;
    }
    if (matrix) {
      auto muon = Json::object();
      muon.set("plugin", "muon");
      muon.set("lr", Json::real(0.02));
      auto options = Json::object();
      options.set("momentum", Json::real(0.95));
      options.set("weight_decay", Json::real(0.01));
      muon.set("options", std::move(options));
      out.set("matrix", std::move(muon));
    }
    if (element || !matrix) {
      auto adamw = Json::object();
      adamw.set("plugin", "adamw");
      adamw.set("lr", Json::real(0.0003));
      auto options = Json::object();
      auto betas = Json::array();
      betas.push(Json::real(0.9));
      betas.push(Json::real(0.95));
      options.set("betas", std::move(betas));
      options.set("weight_decay", Json::real(0));
      adamw.set("options", std::move(options));
      out.set("element", std::move(adamw));
    }
    return out;
  }

  const ParameterTable& table_;
  const std::vector<ParameterRole>& roles_;
  const std::string& name_;
  std::vector<Group> groups_;
  std::vector<std::string> routes_;
  std::size_t vectors_ = 0;
};

/// "" if the text does to the table what the writer meant, else what is wrong.
std::string fault(const std::string& text, const SpecWriter& writer, const ParameterTable& table,
                  const Registry& registry) {
  Diagnostics diagnostics;
  const auto spec = parse_spec(text, "spec", registry, diagnostics);
  std::optional<Plan> plan;
  if (spec) plan = make_plan(*spec, table, registry, diagnostics);
  for (const auto& item : diagnostics.items()) {
    if (item.severity != Severity::note) return item.code + ": " + item.message;
  }
  if (!plan) return "no plan";
  for (const auto& parameter : plan->parameters) {
    const auto& wanted = writer.routes()[static_cast<std::size_t>(&parameter - plan->parameters.data())];
    if (!wanted.empty() && parameter.rule != wanted)
      return fmt::format("{} goes to {} instead of {}", parameter.info.name(), parameter.rule, wanted);
  }
  return "";
}

}  // namespace

std::string init_spec(const ParameterTable& table, const Registry& registry, const InitOptions& options) {
  return init_spec(table, classify(table, options.heads), registry, options.name);
}

std::string init_spec(const ParameterTable& table, const std::vector<ParameterRole>& roles, const Registry& registry,
                      const std::string& name) {
  SpecWriter writer(table, roles, name);
  auto text = writer.write(true);
  if (fault(text, writer, table, registry).empty()) return text;
  // Names that globs cannot keep apart: one pattern a name.
  text = writer.write(false);
  const auto found = fault(text, writer, table, registry);
  if (!found.empty()) throw std::logic_error("the starter spec does not plan: " + found);
  return text;
}

}  // namespace switchyard
