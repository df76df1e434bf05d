#include "rules/lint_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "rules/near_name.h"
#include "rules/roles_words.h"
#include "rules/text_table.h"

namespace switchyard {

namespace {

const std::set<std::string> head_names = {"head", "logits", "unembed", "classifier"};

bool only_names(const Match& match) {
  return !match.names.empty() && !match.ndim && !match.shape && !match.numel && match.dtypes.empty() &&
         match.modules.empty() && !match.tied && match.tie_with.empty() && !match.layer && !match.where &&
         match.all.empty() && match.any.empty() && match.none.empty();
}

bool crosses(const std::string& segment) { return segment.find("**") != std::string::npos; }

/// The segment that says what the tensor is: the last one that is no leaf.
std::string own_segment(const std::vector<std::string>& segments) {
  const std::set<std::string> leaves = {"weight", "kernel", "*", "?*", "{weight,bias}"};
  for (auto i = segments.size(); i-- > 0;) {
    if (!crosses(segments[i]) && (leaves.count(segments[i]) == 0 || i == 0)) return segments[i];
  }
  return "";
}

/// The alternatives and words of a segment, free of the characters of globs: "{q,k}_proj" is q, k and proj.
bool says(const std::string& segment, const std::set<std::string>& words) {
  auto plain = segment;
  for (auto& c : plain) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter) c = '_';
  }
  return has_word(plain, words);
}

bool takes(const std::string& segment, const char* text) {
  PatternError ignored;
  const auto pattern = segment.empty() ? nullptr : Pattern::compile(segment, ignored);
  return pattern != nullptr && !pattern->is_regex() && pattern->matches(text);
}

class NameLinter {
 public:
  NameLinter(const Spec& spec, const Registry& registry) : spec_(spec), registry_(registry) {}

  Diagnostics run() {
    for (std::size_t i = 0; i < spec_.rules.size(); ++i) {
      const auto& rule = spec_.rules[i];
      if (rule.disabled) continue;
      if (!look_for_shadow(i) && !rule.except) look(rule);
      look_for_slips(rule.match, "rule", rule.id);
    }
    for (const auto& entry : spec_.overrides) {
      if (!entry.disabled) look_for_slips(entry.match, "override", entry.id);
    }
    out_.sort();
    return std::move(out_);
  }

 private:
  const Pattern& pattern(int i) const { return *spec_.patterns[static_cast<std::size_t>(i)]; }

  /// One finding a rule and code: the rule that stands wrong is corrected once.
  void warn(const SpecRule& rule, const char* code, const Place& place, std::string what, std::string help) {
    const auto& found = out_.items();
    const bool known = std::any_of(found.begin(), found.end(), [&](const Diagnostic& item) {
      return item.code == code && item.subject == rule.id;
    });
    if (known) return;
    auto& finding = out_.warning(code, fmt::format("rule `{}` {}", printable(rule.id), what), place);
    finding.subject = rule.id;
    finding.help = std::move(help);
  }

  void look(const SpecRule& rule) {
    const auto* optimizer = spec_.find_optimizer(rule.use);
    const auto* plugin = optimizer == nullptr ? nullptr : registry_.find(optimizer->plugin);
    if (plugin == nullptr) return;
    const bool matrix = plugin->needs_matrix();
    const bool bytes =
        std::any_of(plugin->slots.begin(), plugin->slots.end(), [](const Slot& slot) { return slot.encoded(); });
    const auto embedding = [&](const std::string& what, const Place& place) {
      if (matrix) {
        warn(rule, "SWY-3100", place, fmt::format("gives {} to matrix plugin `{}`", what, plugin->name),
             "give embeddings and heads to an element-wise optimizer");
      } else if (bytes) {
        warn(rule, "SWY-3113", place, fmt::format("keeps the state of {} in 8 bits", what),
             "give embeddings to an optimizer with state of full precision");
      }
    };
    for (const auto& module : rule.match.modules) {
      if (contains(module, "Embedding")) embedding(fmt::format("modules of type {}", module), rule.match.place);
    }
    for (const auto i : rule.match.names) {
      const auto segments = glob_segments(pattern(i));
      if (segments.empty()) continue;
      const auto own = own_segment(segments);
      const auto named = fmt::format("`{}`", printable(pattern(i).text()));
      if (named_table(own)) embedding(fmt::format("{}, an embedding by its name,", named), rule.match.name_place);
      if (matrix) look_at_matrix(rule, own, named, segments);
      look_at_gates(rule, matrix, named, segments);
    }
  }

  void look_at_matrix(const SpecRule& rule, const std::string& own, const std::string& named,
                      const std::vector<std::string>& segments) {
    if (says(own, head_names)) {
      warn(rule, "SWY-3100", rule.match.name_place,
           fmt::format("gives {}, an output head by its name, to a matrix optimizer", named),
           "give embeddings and heads to an element-wise optimizer");
    }
    const bool adapter = std::any_of(segments.begin(), segments.end(),
                                     [](const std::string& segment) { return says(segment, adapter_words); });
    if (adapter) {
      warn(rule, "SWY-3108", rule.match.name_place,
           fmt::format("gives {}, a low-rank adapter by its name, to a matrix optimizer", named),
           "give adapters to an element-wise optimizer");
    }
    const bool fused = contains(own, "qkv") || contains(own, "query_key_value") || own == "c_attn" ||
                       contains(own, "gate_up") || own == "Wqkv";
    if (fused && (!rule.view || !rule.view->split)) {
      warn(rule, "SWY-3101", rule.match.name_place,
           fmt::format("takes {}, several maps in one tensor by its name, as one matrix", named),
           "add \"matrix\": {\"split\": {\"axis\": 0, \"parts\": ...}}, with `interleave` where each head holds all "
           "parts");
    }
  }

  void look_at_gates(const SpecRule& rule, bool matrix, const std::string& named,
                     const std::vector<std::string>& segments) {
    for (const auto& segment : segments) {
      if (!contains(segment, "gate") || !takes(segment, "gate") || !takes(segment, "gate_proj")) continue;
      warn(
          rule, "SWY-3103", rule.match.name_place,
          fmt::format("takes routers named `gate` and linear maps named `gate_proj` alike: {}", named),
          matrix ? "write a rule for `**.gate.weight` before it" : "write `gate`, without what crosses to `gate_proj`");
    }
  }

  static bool named_table(const std::string& own) {
    return says(own, embedding_words) &&
           !says(own, {"proj", "projection", "linear", "dense", "norm", "ln", "layernorm"});
  }

  /// A rule behind one that takes all that its own patterns can match.
  bool look_for_shadow(std::size_t number) {
    const auto& rule = spec_.rules[number];
    for (std::size_t i = 0; i < number; ++i) {
      const auto& earlier = spec_.rules[i];
      if (earlier.disabled || earlier.except || !only_names(earlier.match)) continue;
      const auto& taken = earlier.match.names;
      const bool all = std::any_of(taken.begin(), taken.end(), [&](int n) { return pattern(n).text() == "**"; });
      const auto& own = rule.match.names;
      const bool same = !own.empty() && std::all_of(own.begin(), own.end(), [&](int n) {
        return std::find(taken.begin(), taken.end(), n) != taken.end();
      });
      if (!all && !same) continue;
      auto& finding = out_.warning(
          "SWY-2002", fmt::format("rule `{}` can win nothing, whatever the model", printable(rule.id)), rule.place);
      finding.label = "taken by an earlier rule";
      finding.related.push_back(
          {fmt::format("`{}` takes {} before it", printable(earlier.id), all ? "every parameter" : "the same names"),
           earlier.place});
      finding.help = fmt::format("move `{}` before `{}`, or remove it", printable(rule.id), printable(earlier.id));
      return true;
    }
    return false;
  }

  void look_for_slips(const Match& match, const char* what, const std::string& id) {
    for (const auto i : match.names) {
      for (const auto& segment : glob_segments(pattern(i))) {
        const auto digits = segment.find_first_not_of("0123456789");
        if (digits == 0 || digits == std::string::npos || segment.find_first_not_of('*', digits) != std::string::npos)
          continue;
        const auto number = segment.substr(0, digits);
        auto& finding = out_.warning("SWY-3114",
                                     fmt::format("`{}` of {} `{}` takes {} and every number that begins with it",
                                                 printable(pattern(i).text()), what, printable(id), number),
                                     match.name_place);
        finding.label = "matches more layers than it says";
        finding.help =
            fmt::format("write `{}` between two dots, or the numbers as in `{{{},{}0}}`", number, number, number);
      }
    }
  }

  const Spec& spec_;
  const Registry& registry_;
  Diagnostics out_;
};

}  // namespace

Diagnostics lint_names(const Spec& spec, const Registry& registry) { return NameLinter(spec, registry).run(); }

const std::vector<std::string>& lints_by_name() {
  static const std::vector<std::string> codes = {"SWY-2002", "SWY-3100", "SWY-3101", "SWY-3103",
                                                 "SWY-3108", "SWY-3113", "SWY-3114"};
  return codes;
}

const std::vector<std::string>& lints_by_model() {
  static const std::vector<std::string> codes = {
      "SWY-2001", "SWY-2003", "SWY-2004", "SWY-2005", "SWY-2034", "SWY-2035", "SWY-2036", "SWY-2037", "SWY-3102",
      "SWY-3104", "SWY-3105", "SWY-3106", "SWY-3107", "SWY-3109", "SWY-3110", "SWY-3111", "SWY-3112", "SWY-3116"};
  return codes;
}

}  // namespace switchyard
