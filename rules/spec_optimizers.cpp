#include <fmt/format.h>

#include <algorithm>

#include "core/schedule_check.h"
#include "rules/spec_reader.h"

namespace switchyard {

namespace {

/// How far an entry of `optimizers` is: `like` may point forwards.
enum class Stage : std::uint8_t { untouched, open, good, broken };

constexpr std::size_t most_optimizers = 1000;
constexpr int most_likes = 64;

class OptimizersReader {
 public:
  OptimizersReader(SpecDraft& draft, const Node& optimizers)
      : draft_(draft),
        read_(draft.read),
        optimizers_(optimizers),
        members_(optimizers.json().members()),
        stages_(members_.size(), Stage::untouched),
        values_(members_.size()) {}

  void run() {
    for (std::size_t i = 0; i < members_.size(); ++i) visit(i);
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (stages_[i] == Stage::good) draft_.spec.optimizers.push_back(std::move(values_[i]));
    }
  }

 private:
  bool visit(std::size_t i) {
    if (stages_[i] != Stage::untouched) return stages_[i] == Stage::good;
    stages_[i] = Stage::open;
    const Node node(optimizers_, members_[i]);
    const auto before = read_.diagnostics().count(Severity::error);
    const bool read_well = read_one(node, values_[i]);
    const bool good = read_well && read_.diagnostics().count(Severity::error) == before;
    stages_[i] = good ? Stage::good : Stage::broken;
    return good;
  }

  /// The entry that `like` names, resolved; false if it is broken, unknown or runs in a circle.
  bool start_from_like(const Node& node, SpecOptimizer& out) {
    const auto like = node.child("like");
    if (!like) return true;
    const auto id = read_.text(*like, "`like`");
    if (!id) return false;
    draft_.optimizers_used.insert(*id);
    const auto found =
        std::find_if(members_.begin(), members_.end(), [&](const auto& member) { return member.key == *id; });
    if (found == members_.end()) return draft_.check_optimizer(*like, "`like`", *id, {}), false;
    const auto at = static_cast<std::size_t>(found - members_.begin());
    if (depth_ == most_likes) {
      read_.error("SWY-1021", fmt::format("`like` is chained through more than {} optimizers", most_likes),
                  like->place());
      return false;
    }
    if (stages_[at] == Stage::open) {
      read_.error("SWY-1021", fmt::format("`like` runs in a circle through `{}`", *id), like->place()).help =
          "write out the options of one of them";
      return false;
    }
    ++depth_;
    const bool good = visit(at);
    --depth_;
    if (good) out = values_[at];
    return good;
  }

  bool read_one(const Node& node, SpecOptimizer& out) {
    const auto option_names = [&] {
      const auto plugin = node.child("plugin");
      const bool named = plugin && plugin->json().is(Json::Kind::string);
      return draft_.option_names(named ? draft_.registry.find(plugin->json().as_string()) : nullptr);
    };
    if (!read_.object(node, spots::optimizer(), option_names)) return false;
    const auto name = fmt::format("optimizer `{}`", shown(node.key()));
    if (node.key() == "error" || node.key() == "freeze" || node.key().empty()) {
      read_.error("SWY-1013", fmt::format("an optimizer cannot be called \"{}\"", node.key()), node.key_place()).help =
          "`fallback` and `use` need the words \"error\" and \"freeze\" for themselves";
    }
    if (read_.meant(node, "like") || !start_from_like(node, out)) return false;
    const auto inherited = out.plugin;
    out.id = std::string(node.key());
    out.place = node.key_place();
    if (!node.has("like") || node.has("plugin")) {
      const auto plugin = read_.require(node, "plugin", name);
      if (!plugin || !read_plugin(*plugin, inherited, out)) return false;
    }
    const auto& plugin = *draft_.registry.find(out.plugin);
    if (out.options.empty()) out.options = plugin.table.defaults();
    read_rates(node, name, out);
    if (const auto options = node.child("options")) read_options(*options, plugin, out);
    if (const auto schedules = node.child("schedules")) read_targets(*schedules, plugin, out);
    return true;
  }

  bool read_plugin(const Node& node, const std::string& inherited, SpecOptimizer& out) {
    const auto plugin = read_.text(node, "`plugin`");
    if (!plugin) return false;
    if (draft_.registry.find(*plugin) == nullptr) {
      auto& finding = read_.error("SWY-1017", fmt::format("there is no plugin `{}`", shown(*plugin)), node.place());
      finding.label = "unknown plugin";
      finding.help = did_you_mean(*plugin, draft_.registry.names());
      finding.help +=
          fmt::format("{}(plugins: {})", finding.help.empty() ? "" : "   ", listed(draft_.registry.names()));
      return false;
    }
    if (!inherited.empty() && inherited != *plugin) {
      read_
          .error("SWY-1021",
                 fmt::format("`like` copies an optimizer of plugin `{}`, but `plugin` is `{}`", inherited, *plugin),
                 node.place())
          .help = "remove `like` and write out what both share";
      return false;
    }
    out.plugin = *plugin;
    return true;
  }

  void read_rates(const Node& node, const std::string& name, SpecOptimizer& out) {
    const auto lr = node.child("lr");
    const auto scale = node.child("lr_scale");
    if (lr && scale) {
      auto& finding = read_.error("SWY-1018", fmt::format("{} has both `lr` and `lr_scale`", name), scale->key_place());
      finding.related.push_back({"`lr` is here", lr->key_place()});
      finding.help = "`lr` is the rate itself, `lr_scale` a factor of `base_lr`: keep one";
      return;
    }
    if (lr || scale) {
      out.lr.reset();
      out.lr_scale.reset();
    }
    if (lr) out.lr = read_.number(*lr, "`lr`", at_least(0));
    if (scale) out.lr_scale = read_.number(*scale, "`lr_scale`", at_least(0));
    if (lr || out.lr || draft_.base_lr_broken || read_.meant(node, "lr") || read_.meant(node, "lr_scale")) return;
    if (!draft_.spec.base_lr) {
      auto& finding = read_.error("SWY-1106",
                                  scale ? fmt::format("`lr_scale` of {} scales `base_lr`, which the spec lacks", name)
                                        : fmt::format("{} has no learning rate", name),
                                  scale ? scale->key_place() : node.key_place());
      finding.help = scale ? "add \"base_lr\" at the top level, or write \"lr\" here"
                           : "add \"lr\" here, or \"base_lr\" at the top level";
      return;
    }
    if (!scale && !out.lr_scale) out.lr_scale = 1;
  }

  void read_options(const Node& options, const OptimizerDescriptor& plugin, SpecOptimizer& out) {
    if (!options.json().is(Json::Kind::object)) {
      read_.wrong_type(options, "`options`", "an object");
      return;
    }
    bool good = true;
    for (const auto& member : options.json().members()) {
      const Node node(options, member);
      const auto value = read_option(draft_, node, plugin);
      good = good && value;
      if (!value) continue;
      out.options.set(member.key, *value);
      if (std::find(out.given.begin(), out.given.end(), member.key) == out.given.end()) out.given.push_back(member.key);
    }
    if (!good || !plugin.check) return;
    const auto problem = plugin.check(out.options);
    if (!problem.empty()) {
      read_.error("SWY-1103", fmt::format("the options of plugin `{}` do not fit together: {}", plugin.name, problem),
                  options.key_place());
    }
  }

  void read_targets(const Node& schedules, const OptimizerDescriptor& plugin, SpecOptimizer& out) {
    if (!schedules.json().is(Json::Kind::object)) {
      read_.wrong_type(schedules, "`schedules` of an optimizer", "an object of option: schedule id");
      return;
    }
    std::vector<std::string> legal = {"lr"};
    for (const auto& option : plugin.table.options) {
      if (option.schedulable) legal.push_back(option.name);
    }
    for (const auto& member : schedules.json().members()) {
      const Node node(schedules, member);
      const auto* option = plugin.table.find(member.key);
      if (member.key != "lr" && (option == nullptr || !option->schedulable)) {
        auto& finding = read_.error(
            option == nullptr ? "SWY-1101" : "SWY-1104",
            option == nullptr ? fmt::format("unknown option `{}` for plugin `{}`", shown(member.key), plugin.name)
                              : fmt::format("`{}` of plugin `{}` cannot follow a schedule", member.key, plugin.name),
            node.key_place());
        finding.help = option == nullptr ? did_you_mean(member.key, legal) : "";
        finding.help += fmt::format("{}(can be scheduled: {})", finding.help.empty() ? "" : "   ", listed(legal));
        if (node.json().is(Json::Kind::string)) draft_.schedules_used.insert(node.json().as_string());
        continue;
      }
      const auto id = read_.text(node, fmt::format("the schedule of `{}`", member.key));
      if (!id) continue;
      draft_.schedules_used.insert(*id);
      if (!check_schedule(node, *id, option, plugin)) continue;
      const auto same = std::find_if(out.schedules.begin(), out.schedules.end(),
                                     [&](const auto& entry) { return entry.first == member.key; });
      if (same != out.schedules.end()) {
        same->second = *id;
      } else {
        out.schedules.emplace_back(member.key, *id);
      }
    }
    std::sort(out.schedules.begin(), out.schedules.end());
  }

  bool check_schedule(const Node& node, const std::string& id, const OptionInfo* option,
                      const OptimizerDescriptor& plugin) {
    const auto& ids = draft_.schedule_ids;
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) {
      if (!draft_.schedules_known) return false;
      auto& finding = read_.error("SWY-1016", fmt::format("there is no schedule `{}`", shown(id)), node.place());
      finding.label = "no such schedule";
      finding.help = did_you_mean(id, ids);
      finding.help +=
          fmt::format("{}(schedules: {})", finding.help.empty() ? "" : "   ", ids.empty() ? "none" : listed(ids));
      return false;
    }
    const auto* schedule = draft_.spec.find_schedule(id);
    if (schedule == nullptr) return false;  // broken, and reported where it stands
    if (accepts_schedule(option, schedule->schedule)) return true;
    const auto [low, high] = range(schedule->schedule);
    if (option == nullptr) {
      auto& finding = read_.error(
          "SWY-1105",
          fmt::format("a schedule of `lr` is a factor from 0 with peak 1, but `{}` takes values from {} to {}", id,
                      shortest(low), shortest(high)),
          node.place());
      finding.related.push_back({"the schedule", schedule->place});
      finding.help = "put the learning rate into `lr` and let the schedule rise to 1";
      return false;
    }
    auto& finding =
        read_.error("SWY-1105",
                    fmt::format("`{}` of plugin `{}` must be {}, but the schedule `{}` takes values from {} to {}",
                                option->name, plugin.name, expected(*option), id, shortest(low), shortest(high)),
                    node.place());
    finding.related.push_back({"the schedule", schedule->place});
    return false;
  }

  SpecDraft& draft_;
  Reader& read_;
  const Node& optimizers_;
  const std::vector<Json::Member>& members_;
  std::vector<Stage> stages_;
  std::vector<SpecOptimizer> values_;
  int depth_ = 0;
};

}  // namespace

std::optional<OptionValue> read_option(SpecDraft& draft, const Node& node, const OptimizerDescriptor& plugin,
                                       const std::vector<std::string>& also) {
  auto& read = draft.read;
  const auto name = std::string(node.key());
  const auto* option = plugin.table.find(name);
  if (option == nullptr) {
    auto& finding = read.error("SWY-1101", fmt::format("unknown option `{}` for plugin `{}`", shown(name), plugin.name),
                               node.key_place());
    finding.label = fmt::format("not an option of {} {}", plugin.name, plugin.version);
    auto candidates = plugin.table.names();
    candidates.insert(candidates.end(), also.begin(), also.end());
    const auto& beside = spots::optimizer().keys;
    if (also.empty() && std::find(beside.begin(), beside.end(), name) != beside.end()) {
      finding.help = fmt::format("`{}` stands beside `options`, not in it", name);
    } else {
      finding.help = did_you_mean(name, candidates);
    }
    finding.help += fmt::format("{}(options: {})", finding.help.empty() ? "" : "   ", listed(candidates));
    return std::nullopt;
  }
  auto value = option_value_from_json(node.json());
  const auto problem = value ? check_option(*option, *value) : expected(*option);
  if (value && problem.empty()) return value;
  auto& finding = read.error(
      "SWY-1102", fmt::format("`{}` of plugin `{}` must be {}, got {}", name, plugin.name, problem, shown(node.json())),
      node.place());
  finding.label = "expected " + problem;
  if (value && option->type == OptionType::choice && std::holds_alternative<std::string>(*value)) {
    std::vector<std::string> names;
    for (const auto& choice : option->choices) names.push_back(choice.name);
    finding.help = did_you_mean(std::get<std::string>(*value), names);
  }
  return std::nullopt;
}

void read_optimizers(SpecDraft& draft, const Node& optimizers) {
  if (!optimizers.json().is(Json::Kind::object)) {
    draft.read.wrong_type(optimizers, "`optimizers`", "an object");
    return;
  }
  if (optimizers.json().size() > most_optimizers) {
    draft.read.error("SWY-1005", fmt::format("more than {} optimizers", most_optimizers), optimizers.key_place());
    return;
  }
  draft.optimizers_known = true;
  for (const auto& member : optimizers.json().members()) draft.optimizer_ids.push_back(member.key);
  OptimizersReader(draft, optimizers).run();
}

}  // namespace switchyard
