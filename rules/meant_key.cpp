#include "rules/meant_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "rules/reader.h"

namespace switchyard {

namespace {

/// What the same thing is called elsewhere: by torch.optim, transformers, optax, Keras, ESLint and in papers.
struct Word {
  std::string_view word;
  std::string_view key;
  std::string_view how = "";     ///< where the value has another form here: what to write
  std::string_view beside = "";  ///< meant only where this key is present
};

constexpr std::string_view fraction = "write \"floor\", as a fraction of the learning rate";
constexpr std::string_view points = "write \"points\": [[step, value], ...] with \"kind\": \"piecewise\"";
constexpr std::string_view clip = "write \"clip\": {\"norm\": ...}";
constexpr std::string_view match = "write \"match\": {\"name\": ...}";
constexpr std::string_view match_expression = "write \"match\": {\"name\": \"re:...\"}";
constexpr std::string_view expression = "write \"name\": \"re:...\"";

using Words = std::vector<Word>;

/// Of rules and overrides.
Words words_of_entries() {
  return {{"pattern", "match", match},
          {"regex", "match", match_expression},
          {"glob", "match", match},
          {"params", "match", match},
          {"parameters", "match", match},
          {"param", "match", match},
          {"filter", "match"},
          {"select", "match"},
          {"when", "match"},
          {"if", "match"},
          {"exclude", "except"},
          {"unless", "except"},
          {"ignore", "except"},
          {"options", "set"},
          {"kwargs", "set"},
          {"comment", "note"},
          {"description", "note"},
          {"reason", "note"},
          {"name", "id", "", "match"}};
}

Words words_of_rules() {
  auto out = words_of_entries();
  for (const std::string_view word : {"optimizer", "plugin", "group", "target", "to"}) out.push_back({word, "use"});
  for (const std::string_view word : {"view", "roles"}) out.push_back({word, "matrix"});
  return out;
}

const Words& words_of(const Spot& spot) {
  static const std::map<const Spot*, Words> words = {
      {&spots::spec(),
       {{"default", "fallback"},
        {"default_optimizer", "fallback"},
        {"otherwise", "fallback"},
        {"groups", "optimizers"},
        {"param_groups", "optimizers"},
        {"optimizer", "optimizers"},
        {"schedulers", "schedules"},
        {"lr_schedules", "schedules"},
        {"presets", "extends"},
        {"preset", "extends"},
        {"inherits", "extends"},
        {"include", "extends"},
        {"imports", "extends"},
        {"variables", "vars"},
        {"constants", "vars"},
        {"lr", "base_lr"},
        {"learning_rate", "base_lr"},
        {"version", "switchyard"},
        {"severity", "policy"},
        {"metrics", "sinks"},
        {"logging", "sinks"}}},
      {&spots::optimizer(),
       {{"learning_rate", "lr"},
        {"type", "plugin"},
        {"class", "plugin"},
        {"kind", "plugin"},
        {"optimizer", "plugin"},
        {"algorithm", "plugin"},
        {"name", "plugin"},
        {"lr_multiplier", "lr_scale"},
        {"lr_mult", "lr_scale"},
        {"kwargs", "options"},
        {"args", "options"},
        {"settings", "options"},
        {"hyperparameters", "options"},
        {"schedule", "schedules"},
        {"scheduler", "schedules"},
        {"lr_scheduler", "schedules"},
        {"extends", "like"},
        {"inherits", "like"}}},
      {&spots::schedule(),
       {{"type", "kind"},
        {"max", "peak"},
        {"value", "peak"},
        {"min", "floor", fraction},
        {"final", "floor", fraction},
        {"eta_min", "floor", fraction},
        {"min_lr", "floor", fraction},
        {"warmup_steps", "warmup"},
        {"num_warmup_steps", "warmup"},
        {"steps", "total"},
        {"max_steps", "total"},
        {"total_steps", "total"},
        {"num_training_steps", "total"},
        {"T_max", "total"},
        {"milestones", "points", points}}},
      {&spots::rule(), words_of_rules()},
      {&spots::override_(), words_of_entries()},
      {&spots::match(),
       {{"pattern", "name"},
        {"regex", "name", expression},
        {"glob", "name"},
        {"param", "name"},
        {"path", "name"},
        {"dims", "ndim"},
        {"rank", "ndim"},
        {"size", "shape"},
        {"elements", "numel"},
        {"class", "module"},
        {"module_type", "module"},
        {"module_class", "module"},
        {"expr", "where"},
        {"condition", "where"},
        {"and", "all"},
        {"or", "any"},
        {"none", "not"}}},
      {&spots::view(), {{"rows", "out"}, {"cols", "in"}, {"columns", "in"}}},
      {&spots::split(), {{"dim", "axis"}, {"sizes", "parts"}, {"chunks", "parts"}, {"sections", "parts"}}},
      {&spots::heads(),
       {{"dim", "axis"},
        {"n", "count"},
        {"num", "count"},
        {"n_head", "count"},
        {"n_heads", "count"},
        {"num_heads", "count"},
        {"head_dim", "size"},
        {"head_size", "size"}}},
      {&spots::gradients(),
       {{"clip_norm", "clip", clip},
        {"max_norm", "clip", clip},
        {"grad_clip", "clip", clip},
        {"clip_grad_norm", "clip", clip},
        {"accumulate", "accumulation"},
        {"accumulation_steps", "accumulation"},
        {"gradient_accumulation_steps", "accumulation"},
        {"nonfinite", "on_nonfinite"},
        {"nan", "on_nonfinite"}}},
      {&spots::clip(), {{"max_norm", "norm"}, {"max", "norm"}}},
      {&spots::sink(),
       {{"type", "kind"}, {"file", "path"}, {"filename", "path"}, {"interval", "every"}, {"every_n_steps", "every"}}},
      {&spots::layers(), {{"pattern", "index"}, {"name", "index"}, {"n_layer", "count"}, {"num_layers", "count"}}},
      {&spots::parameter(),
       {{"name", "names"},
        {"aliases", "names"},
        {"size", "shape"},
        {"type", "dtype"},
        {"trainable", "requires_grad"},
        {"class", "module"},
        {"module_type", "module"}}}};
  static const Words none;
  const auto found = words.find(&spot);
  return found == words.end() ? none : found->second;
}

/// The kinds of objects that stand inside one of a kind, by the keys that hold them.
std::vector<std::pair<const Spot*, std::string>> inside(const Spot& spot) {
  if (&spot == &spots::spec())
    return {{&spots::gradients(), "gradients"}, {&spots::canonical(), "canonical"}, {&spots::layers(), "layers"}};
  if (&spot == &spots::rule())
    return {{&spots::match(), "match"}, {&spots::settings(), "set"}, {&spots::view(), "matrix"}};
  if (&spot == &spots::override_()) return {{&spots::match(), "match"}, {&spots::settings(), "set"}};
  if (&spot == &spots::view())
    return {{&spots::split(), "split"}, {&spots::heads(), "heads"}, {&spots::flatten(), "flatten"}};
  if (&spot == &spots::gradients()) return {{&spots::clip(), "clip"}};
  return {};
}

/// Where an object of a kind takes options of a plugin; "" if it takes none.
std::string_view options_key(const Spot& spot) {
  if (&spot == &spots::optimizer()) return "options";
  if (&spot == &spots::rule() || &spot == &spots::override_()) return "set";
  return "";
}

bool has(const std::vector<std::string>& keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

}  // namespace

std::string belongs_elsewhere(std::string_view key, const Spot& here) {
  const auto all = spots::of_spec();
  if (std::find(all.begin(), all.end(), &here) == all.end()) return "";
  for (const auto* spot : all) {
    if (spot != &here && has(spot->keys, key)) return "it belongs " + spot->where;
  }
  return "";
}

MeantKey meant_key(const std::string& given, const Spot& spot, const Json& object,
                   const std::vector<std::string>& options) {
  const auto& legal = spot.keys;
  const auto present = [&](std::string_view key) { return object.find(key) != nullptr; };
  for (const auto& [word, key, how, beside] : words_of(spot)) {
    if (word != given || present(key) || (!beside.empty() && !present(beside))) continue;
    return {std::string(key), how.empty() ? fmt::format("did you mean `{}`?", key) : std::string(how)};
  }
  const auto under = std::string(options_key(spot));
  const bool option = !under.empty() && has(options, given);
  for (const auto& [inner, key] : inside(spot)) {
    if (!has(inner->keys, given)) continue;
    return {key,
            "it belongs " + inner->where + (option ? fmt::format("; the option of a plugin, under `{}`", under) : "")};
  }
  if (option)
    return {under, fmt::format("options of plugins belong under `{}`: \"{}\": {{\"{}\": ...}}", under, under, given)};
  if (auto help = belongs_elsewhere(given, spot); !help.empty()) return {"", std::move(help)};
  if (auto help = did_you_mean(given, legal); !help.empty()) return {nearest(given, legal), std::move(help)};
  if (under.empty() || did_you_mean(given, options).empty()) return {};
  return {under, fmt::format("did you mean the option `{}`, under `{}`?", nearest(given, options), under)};
}

}  // namespace switchyard
