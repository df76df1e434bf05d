#include "rules/plan_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace switchyard {

namespace {

using Level = PlanDifference::Level;

/// A value as people read it: texts without quotes, whole reals without ".0".
std::string value_text(const Json* value) {
  if (value == nullptr || value->is(Json::Kind::null)) return "none";
  if (value->is(Json::Kind::real)) return shortest(value->as_double());
  return value->is(Json::Kind::string) ? value->as_string() : dump_json(*value);
}

/// "cosine, peak 1, warmup 100, total 2000".
std::string schedule_text(const Json* schedule) {
  if (schedule == nullptr) return "none";
  std::string out;
  for (const auto& member : schedule->members()) {
    if (!out.empty()) out += ", ";
    out += member.key == "kind" ? value_text(&member.value) : member.key + " " + value_text(&member.value);
  }
  return out;
}

std::int64_t number(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  return value != nullptr && value->is(Json::Kind::integer) ? value->as_int() : 0;
}

/// "q 768x768 | k 4 x 64x768": the parts with their shapes; with `ranges` also what of an axis they take.
std::string blocks_text(const Json& blocks, bool ranges) {
  std::string out;
  for (const auto& part : blocks.items()) {
    if (!out.empty()) out += " | ";
    const auto* name = part.find("name");
    if (name != nullptr && !value_text(name).empty()) out += value_text(name) + " ";
    if (number(part, "count") != 1) out += fmt::format("{} x ", number(part, "count"));
    out += fmt::format("{}x{}", number(part, "out"), number(part, "in"));
    const auto* select = part.find("select");
    if (!ranges || select == nullptr) continue;
    const auto start = number(*select, "start");
    out += fmt::format(" of axis {} [{}, {})", number(*select, "axis"), start, start + number(*select, "length"));
    if (number(*select, "times") > 1)
      out += fmt::format(" + k {}, k < {}", number(*select, "stride"), number(*select, "times"));
  }
  return out.empty() ? "none" : out;
}

/// The blocks without the factor of their update, which follows from the options.
std::string blocks_key(const Json& blocks, bool scales) {
  std::string out;
  for (const auto& part : blocks.items()) {
    for (const auto& member : part.members()) {
      if ((member.key == "scale") == scales) out += member.key + "=" + dump_json(member.value) + " ";
    }
    out += ";";
  }
  return out;
}

std::string scales_text(const Json& blocks) {
  std::vector<std::string> texts;
  for (const auto& part : blocks.items()) {
    auto text = value_text(part.find("scale"));
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(std::move(text));
  }
  return fmt::format("{}", fmt::join(texts, " | "));
}

/// Factors of overrides as the hash sees them: by value, without ids, without those that are 1.
std::vector<std::string> override_factors(const Json& factors, std::string& text) {
  std::vector<std::string> values;
  const auto* overrides = factors.find("overrides");
  if (overrides != nullptr) {
    for (const auto& member : overrides->members()) {
      const auto value = value_text(&member.value);
      if (value == "1") continue;  // a factor that changes nothing
      values.push_back(value);
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", member.key, value);
    }
  }
  if (text.empty()) text = "none";
  std::sort(values.begin(), values.end());
  return values;
}

std::set<std::string> keys_of(const Json* a, const Json* b) {
  std::set<std::string> keys;
  for (const auto* object : {a, b}) {
    if (object == nullptr) continue;
    for (const auto& member : object->members()) keys.insert(member.key);
  }
  return keys;
}

const Json* find_in(const Json* object, const std::string& key) {
  return object == nullptr ? nullptr : object->find(key);
}

bool equal(const Json* a, const Json* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return dump_json(*a) == dump_json(*b);
}

class Comparison {
 public:
  Comparison(const PlanDocument& a, const PlanDocument& b) : a_(a), b_(b) {
    out_.a = a.shown;
    out_.b = b.shown;
    out_.state_hash_a = a.state_hash;
    out_.state_hash_b = b.state_hash;
    out_.plan_hash_a = a.plan_hash;
    out_.plan_hash_b = b.plan_hash;
  }

  PlanDiff run() {
    parameters();
    gradients();
    hashes();
    std::stable_sort(out_.differences.begin(), out_.differences.end(),
                     [](const auto& one, const auto& two) { return one.level < two.level; });
    return std::move(out_);
  }

 private:
  void add(Level level, const std::string& kind, const std::string& what, const std::string& before,
           const std::string& after, const std::string& parameter) {
    const auto [found, fresh] =
        index_.emplace(std::make_tuple(level, kind, what, before, after), out_.differences.size());
    if (fresh) out_.differences.push_back({level, kind, what, before, after, {}});
    if (!parameter.empty()) out_.differences[found->second].parameters.push_back(parameter);
    found_here_ = true;
    state_here_ = state_here_ || level == Level::state;
  }

  void parameters() {
    std::unordered_map<std::string, std::size_t> by_name;
    for (std::size_t i = 0; i < a_.rows.size(); ++i) {
      for (const auto& name : a_.rows[i].names) by_name.emplace(name, i);
    }
    std::vector<char> used(a_.rows.size(), 0);
    std::vector<std::pair<const DocumentRow*, const DocumentRow*>> pairs;
    for (const auto& row : b_.rows) {
      const DocumentRow* match = nullptr;
      for (const auto& name : row.names) {
        const auto found = by_name.find(name);
        if (match != nullptr || found == by_name.end() || used[found->second] != 0) continue;
        used[found->second] = 1;
        match = &a_.rows[found->second];
      }
      pairs.emplace_back(match, &row);
    }
    for (std::size_t i = 0; i < a_.rows.size(); ++i) {
      const auto& row = a_.rows[i];
      if (used[i] == 0) add(row.frozen() ? Level::label : Level::state, "removed", "", row.user(), "", row.name());
    }
    for (const auto& [before, after] : pairs) {
      found_here_ = false;
      state_here_ = false;
      if (before == nullptr) {
        add(after->frozen() ? Level::label : Level::state, "added", "", "", after->user(), after->name());
      } else {
        pair(*before, *after);
      }
      out_.unchanged += found_here_ ? 0 : 1;
    }
  }

  void pair(const DocumentRow& a, const DocumentRow& b) {
    const auto& name = b.name();
    const auto stateful = a.frozen() && b.frozen() ? Level::label : Level::state;
    if (a.shape != b.shape) add(stateful, "shape", "", a.shape, b.shape, name);
    if (a.dtype != b.dtype) add(stateful, "dtype", "", a.dtype, b.dtype, name);
    names(a, b);
    if (a.plugin != b.plugin) {
      add(Level::state, "plugin", "", a.user(), b.user(), name);
    } else if (a.optimizer != b.optimizer) {
      add(Level::label, "optimizer", "", a.optimizer, b.optimizer, name);
    }
    if (a.rule != b.rule) add(Level::label, "rule", "", a.rule, b.rule, name);
    if (!a.frozen() && !b.frozen()) factors(a, b);
    if (a.frozen() || a.plugin != b.plugin) return;
    blocks(a, b);
    slots(a, b);
    for (const auto& option : keys_of(&a.settings, &b.settings)) {
      const auto* one = a.settings.find(option);
      const auto* two = b.settings.find(option);
      if (option == "schedules") {
        schedules(one, two, name);
      } else if (!equal(one, two)) {
        add(Level::values, "option", option, value_text(one), value_text(two), name);
      }
    }
  }

  /// Other names are no loss: a parameter is found under any of its names. Another smallest name is another line of
  /// both hashes.
  void names(const DocumentRow& a, const DocumentRow& b) {
    auto one = a.names;
    auto two = b.names;
    std::sort(one.begin(), one.end());
    std::sort(two.begin(), two.end());
    if (one == two) return;
    const bool keyed = a.key() != b.key() && !(a.frozen() && b.frozen());
    add(keyed ? Level::values : Level::label, "names", "", fmt::format("{}", fmt::join(one, " = ")),
        fmt::format("{}", fmt::join(two, " = ")), b.name());
  }

  void factors(const DocumentRow& a, const DocumentRow& b) {
    for (const char* factor : {"base", "rule", "modular_norm"}) {
      const auto* one = a.factors.find(factor);
      const auto* two = b.factors.find(factor);
      if (!equal(one, two)) add(Level::values, "factor", factor, value_text(one), value_text(two), b.name());
    }
    std::string before;
    std::string after;
    const auto one = override_factors(a.factors, before);
    const auto two = override_factors(b.factors, after);
    if (one != two) add(Level::values, "factor", "overrides", before, after, b.name());
  }

  void blocks(const DocumentRow& a, const DocumentRow& b) {
    if (blocks_key(a.blocks, false) != blocks_key(b.blocks, false)) {
      auto before = blocks_text(a.blocks, false);
      auto after = blocks_text(b.blocks, false);
      if (before == after) {
        before = blocks_text(a.blocks, true);
        after = blocks_text(b.blocks, true);
      }
      add(Level::state, "blocks", "", before, after, b.name());
    } else if (blocks_key(a.blocks, true) != blocks_key(b.blocks, true)) {
      add(Level::values, "factor", "update scale", scales_text(a.blocks), scales_text(b.blocks), b.name());
    }
  }

  /// What only the lines of state know: slots, the version of a plugin's state, which axes are out and which are in.
  void slots(const DocumentRow& a, const DocumentRow& b) {
    const auto one = a_.state.find(a.key());
    const auto two = b_.state.find(b.key());
    if (state_here_ || one == a_.state.end() || two == b_.state.end()) return;
    const auto tail = [](const std::string& line, const DocumentRow& row) {
      const auto head = dump_json(Json::string(row.key())) + " " + row.shape + " " + row.dtype + " ";
      return line.compare(0, head.size(), head) == 0 ? line.substr(head.size()) : line;
    };
    const auto before = tail(one->second, a);
    const auto after = tail(two->second, b);
    if (before != after) add(Level::state, "slots", "", before, after, b.name());
  }

  void schedules(const Json* a, const Json* b, const std::string& name) {
    for (const auto& target : keys_of(a, b)) {
      const auto* one = find_in(a, target);
      const auto* two = find_in(b, target);
      if (!equal(one, two)) add(Level::values, "schedule", target, schedule_text(one), schedule_text(two), name);
    }
  }

  void gradients() {
    if (!a_.gradients || !b_.gradients) return;
    for (const auto& key : keys_of(&*a_.gradients, &*b_.gradients)) {
      const auto* one = a_.gradients->find(key);
      const auto* two = b_.gradients->find(key);
      if (!equal(one, two)) add(Level::values, "gradients", key, value_text(one), value_text(two), "");
    }
  }

  /// Hashes speak of more than documents hold.
  void hashes() {
    const bool keyed = std::any_of(out_.differences.begin(), out_.differences.end(), [](const auto& difference) {
      return difference.kind == "names" && difference.level == Level::values;
    });
    if (out_.state_hash_a != out_.state_hash_b) {
      if (out_.count(Level::state) == 0 && !keyed)
        add(Level::state, "slots", "", "not in both documents", "slots, versions of plugins or axes differ", "");
    } else if (out_.plan_hash_a != out_.plan_hash_b && out_.count(Level::values) == 0 && a_.older == b_.older) {
      add(Level::values, "gradients", "", "not in both documents", "the policy for gradients differs", "");
    }
  }

  const PlanDocument& a_;
  const PlanDocument& b_;
  PlanDiff out_;
  std::map<std::tuple<Level, std::string, std::string, std::string, std::string>, std::size_t> index_;
  bool found_here_ = false;
  bool state_here_ = false;
};

}  // namespace

std::size_t PlanDiff::count(PlanDifference::Level level) const {
  return static_cast<std::size_t>(std::count_if(differences.begin(), differences.end(),
                                                [&](const auto& difference) { return difference.level == level; }));
}

PlanDiff compare_plans(const PlanDocument& a, const PlanDocument& b) { return Comparison(a, b).run(); }

}  // namespace switchyard
