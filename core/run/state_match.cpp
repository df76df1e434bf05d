#include "core/run/state_match.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <string_view>

#include "core/error.h"
#include "core/run/dtype_text.h"
#include "core/run/problem_list.h"
#include "core/run/state_rename.h"
#include "core/run/tensor_file.h"

namespace switchyard {

/// A parameter that has state in what is loaded.
struct StateMatch::Saved {
  std::string key;
  std::vector<std::string> names;
  std::optional<std::string> line{};  ///< as this version words it; none for tensors alone
  const Json* planned = nullptr;      ///< what the plan of then says of it; null if there is none
};

namespace {

constexpr std::string_view count_suffix = "/count";

std::string quoted(const std::string& name) { return "`" + name + "`"; }

/// The line of a parameter's state without its key, which may have changed.
std::string without_key(const std::string& line, const std::string& key) {
  const auto prefix = dump_json(Json::string(key)) + " ";
  return line.compare(0, prefix.size(), prefix) == 0 ? line.substr(prefix.size()) : line;
}

std::string text_of(const Json* planned, const char* member) {
  const auto* value = planned == nullptr ? nullptr : planned->find(member);
  if (value == nullptr) return "";
  if (value->is(Json::Kind::string)) return value->as_string();
  std::vector<std::int64_t> sizes;
  for (const auto& size : value->items()) sizes.push_back(size.is(Json::Kind::integer) ? size.as_int() : -1);
  return to_string(sizes);
}

/// What a parameter had and has: shape, dtype and plugin where they differ; else, for slots and blocks, the lines.
std::string difference(const Json* planned, const PlannedParameter& now, const std::string& given,
                       const std::string& wanted) {
  std::vector<std::string> there;
  std::vector<std::string> here;
  const auto compare = [&](const std::string& what, const std::string& then, const std::string& today) {
    if (planned == nullptr || then == today) return;
    there.push_back(what + then);
    here.push_back(what + today);
  };
  compare("shape ", text_of(planned, "shape"), to_string(now.info.shape));
  compare("", text_of(planned, "dtype"), std::string(to_string(now.info.dtype)));
  compare("plugin ", text_of(planned, "plugin"), now.plugin);
  if (there.empty()) return fmt::format("the checkpoint has {}; the plan wants {}", given, wanted);
  return fmt::format("the checkpoint has {}; the plan has {}", fmt::join(there, ", "), fmt::join(here, ", "));
}

/// True where only rounding lies between the two.
bool convertible(at::ScalarType from, at::ScalarType to) {
  return at::isFloatingType(from) && at::isFloatingType(to) && c10::elementSize(from) >= 2 && c10::elementSize(to) >= 2;
}

bool stays_finite(const at::Tensor& from, at::ScalarType to) {
  return at::isfinite(from).eq(at::isfinite(from.to(to))).all().item<bool>();
}

constexpr const char* convert_hint =
    "\n  state can be converted to another floating dtype: LoadOptions::convert_dtype = true";

std::string rename_hint(const std::string& from, const std::string& to) {
  return fmt::format(
      "\n  state can be carried over to new names: LoadOptions::rename = {{{{\"{}\", \"{}\"}}}} if these are one, or "
      "whole beginnings, {{\"old.\", \"new.\"}}",
      from, to);
}

}  // namespace

StateMatch::StateMatch(const SavedState& saved, const Plan& now, const Registry& registry,
                       const std::vector<ParameterState>& parameters, const LoadOptions& options)
    : saved_(saved) {
  match(now, registry, parameters, options);
  check_tensors(parameters, options);
}

std::vector<StateMatch::Saved> StateMatch::saved_parameters() const {
  std::vector<Saved> out;
  if (saved_.index() == nullptr) {
    for (const auto& entry : saved_.entries()) {
      const std::string_view name = entry.name;
      if (name.size() <= count_suffix.size() || name.substr(name.size() - count_suffix.size()) != count_suffix)
        continue;
      const std::string key(name.substr(0, name.size() - count_suffix.size()));
      out.push_back({key, {key}});
    }
    return out;
  }
  const auto& index = *saved_.index();
  std::unordered_map<std::string_view, std::size_t> by_key;
  for (const auto& member : index.get(index.root(), "state", Json::Kind::object).members()) {
    if (!member.value.is(Json::Kind::string)) continue;
    by_key.emplace(member.key, out.size());
    out.push_back({member.key, {}, upgraded_state_line(member.value.as_string())});
  }
  const auto& plan = index.get(index.root(), "plan", Json::Kind::object);
  for (const auto& planned : index.get(plan, "parameters", Json::Kind::array).items()) {
    std::vector<std::string> names = {index.string(planned, "name")};
    for (const auto& alias : index.get(planned, "aliases", Json::Kind::array).items()) {
      if (alias.is(Json::Kind::string)) names.push_back(alias.as_string());
    }
    const auto found = by_key.find(*std::min_element(names.begin(), names.end()));
    if (found == by_key.end()) continue;  // frozen
    out[found->second].names = std::move(names);
    out[found->second].planned = &planned;
  }
  return out;
}

void StateMatch::match(const Plan& now, const Registry& registry, const std::vector<ParameterState>& parameters,
                       const LoadOptions& options) {
  const auto* index = saved_.index();
  const auto saved = saved_parameters();
  Renames renames(options.rename);
  ProblemList problems;
  ProblemList notes;

  struct Named {
    std::size_t saved;
    const std::string* before;
  };
  std::unordered_map<std::string, Named> by_name;
  for (std::size_t i = 0; i < saved.size(); ++i) {
    for (const auto& name : saved[i].names) {
      const auto [at, is_new] = by_name.emplace(renames.of(name), Named{i, &name});
      if (!is_new && at->second.saved != i) {
        problems.add(quoted(at->first), fmt::format("after LoadOptions::rename both `{}` and `{}` have this name",
                                                    *at->second.before, name));
      }
    }
  }
  for (const auto& pair : renames.idle())
    problems.add(pair, "this pair of LoadOptions::rename matches nothing in the checkpoint");

  const auto lines = index == nullptr ? std::map<std::string, std::string>() : state_lines(now, registry);
  std::vector<char> used(saved.size(), 0);
  std::string missing;
  bool dtypes_differ = false;
  struct Doubtful {
    const ParameterState* parameter;
    const Saved* saved;
  };
  std::vector<Doubtful> doubtful;  // differ, perhaps in nothing but the dtype
  const auto differs = [&](const ParameterState& parameter, const Saved& one) {
    problems.add(quoted(parameter.name()), difference(one.planned, parameter.planned, without_key(*one.line, one.key),
                                                      without_key(lines.at(parameter.key()), parameter.key())));
  };
  for (const auto& parameter : parameters) {
    if (parameter.frozen()) continue;
    auto found = by_name.end();
    for (const auto& name : parameter.planned.info.names) {
      if (found == by_name.end()) found = by_name.find(name);
    }
    if (found == by_name.end()) {
      const auto wanted =
          index == nullptr ? std::string("state") : without_key(lines.at(parameter.key()), parameter.key());
      problems.add(quoted(parameter.name()), "has no state in the checkpoint; the plan wants " + wanted,
                   "has no state in the checkpoint");
      if (missing.empty()) missing = parameter.name();
      continue;
    }
    const auto& one = saved[found->second.saved];
    used[found->second.saved] = 1;
    if (*found->second.before != found->first)
      notes.add(quoted(parameter.name()), fmt::format("takes the state of `{}`", *found->second.before), "renamed");
    auto& source = sources_[parameter.key()];
    source.key = one.key;
    if (index == nullptr) {
      source.converts = options.convert_dtype;
    } else if (without_key(*one.line, one.key) != without_key(lines.at(parameter.key()), parameter.key())) {
      const auto then = dtype_from_string(text_of(one.planned, "dtype"));
      if (trainable(then) && then != parameter.planned.info.dtype) {
        doubtful.push_back({&parameter, &one});
      } else {
        differs(parameter, one);
      }
    }
  }
  if (!doubtful.empty()) {
    // What this plan would want of them if they had the dtypes of then.
    auto as_saved = now;
    for (const auto& [parameter, one] : doubtful)
      as_saved.parameters[parameter->order].info.dtype = dtype_from_string(text_of(one->planned, "dtype"));
    const auto lines_then = state_lines(as_saved, registry);
    for (const auto& [parameter, one] : doubtful) {
      const auto& key = parameter->key();
      const bool only_dtype = without_key(lines_then.at(key), key) == without_key(*one->line, one->key);
      dtypes_differ = dtypes_differ || only_dtype;
      if (!only_dtype || !options.convert_dtype) {
        differs(*parameter, *one);
        continue;
      }
      sources_[key].converts = true;
      notes.add(quoted(parameter->name()),
                fmt::format("was {} in the checkpoint and is {} here; its state is converted",
                            text_of(one->planned, "dtype"), to_string(parameter->planned.info.dtype)));
    }
  }
  std::string left;
  for (std::size_t i = 0; i < saved.size(); ++i) {
    if (used[i] != 0) continue;
    problems.add(quoted(saved[i].key), "has state in the checkpoint but is not trained by this plan");
    if (left.empty()) left = saved[i].key;
  }
  if (!problems.empty()) {
    const auto head =
        index == nullptr
            ? fmt::format("{} does not fit this plan:", saved_.where())
            : fmt::format("{} is a checkpoint of another plan (state {} there, {} here):", saved_.where(),
                          index->string(index->root(), "state_hash").substr(0, 16), now.state_hash.substr(0, 16));
    throw CheckpointError(head + problems.text() + (dtypes_differ && !options.convert_dtype ? convert_hint : "") +
                          (missing.empty() || left.empty() ? "" : rename_hint(left, missing)));
  }
  notes_ = notes.lines();
}

std::pair<const StateMatch::Source*, std::string> StateMatch::source_of(const std::string& name) const {
  // Keys may hold slashes themselves: the longest one that begins the name.
  for (auto slash = name.rfind('/'); slash != std::string::npos && slash > 0; slash = name.rfind('/', slash - 1)) {
    const auto found = sources_.find(name.substr(0, slash));
    if (found != sources_.end()) return {&found->second, found->second.key + name.substr(slash)};
  }
  throw CheckpointError(fmt::format("`{}` is state of no parameter", name));
}

void StateMatch::check_tensors(const std::vector<ParameterState>& parameters, const LoadOptions& options) {
  ProblemList problems;
  ProblemList notes;
  std::vector<char> used(saved_.entries().size(), 0);
  bool dtypes_differ = false;
  std::unordered_map<std::string, const ParameterState*> masters;
  for (const auto& parameter : parameters) {
    if (parameter.master.defined()) masters.emplace(parameter.key() + "/master", &parameter);
  }
  for (const auto& entry : state_entries(parameters)) {
    const auto [source, name] = source_of(entry.name);
    const auto* saved = saved_.find(name);
    if (saved == nullptr) {
      const auto master = masters.find(entry.name);
      if (master == masters.end() || !source->converts) {
        problems.add(quoted(entry.name), "is missing");
        dtypes_differ = dtypes_differ || master != masters.end();
      } else {
        notes.add(quoted(master->second->name()), "has no master copy in the checkpoint; it starts as the parameter");
      }
      continue;
    }
    used[saved_.position(*saved)] = 1;
    if (saved->shape != entry.shape) {
      problems.add(quoted(entry.name),
                   fmt::format("is {} {}, expected {} {}", dtype_text(saved->dtype), to_string(saved->shape),
                               dtype_text(entry.dtype), to_string(entry.shape)));
      continue;
    }
    if (saved->dtype != safetensors_dtype(entry.dtype)) {
      const auto known = dtype_text(saved->dtype) != saved->dtype;  // others have no tensors
      const bool could = known && convertible(scalar_type_of(saved->dtype), entry.dtype);
      const auto what = fmt::format("is {}, expected {}", dtype_text(saved->dtype), dtype_text(entry.dtype));
      if (!could || !source->converts) {
        problems.add(quoted(entry.name), what);
        dtypes_differ = dtypes_differ || could;
      } else if (!stays_finite(saved_.tensor(*saved), entry.dtype)) {
        problems.add(quoted(entry.name), what + "; it has values that are too large for that");
      } else if (saved_.index() == nullptr) {
        notes.add(quoted(entry.name),
                  fmt::format("is converted from {} to {}", dtype_text(saved->dtype), dtype_text(entry.dtype)));
      }
      continue;
    }
    if (entry.dtype == at::kLong && entry.shape.empty() && name.size() > count_suffix.size() &&
        std::string_view(name).substr(name.size() - count_suffix.size()) == count_suffix) {
      std::int64_t count = 0;  // copied: a file may hold it anywhere
      std::memcpy(&count, saved_.tensor(*saved).const_data_ptr(), sizeof count);
      if (count < 0) problems.add(quoted(name), fmt::format("is {}, expected a number >= 0", count));
    }
  }
  for (const auto& parameter : parameters) {
    if (parameter.frozen() || parameter.master.defined()) continue;
    const auto& source = sources_.at(parameter.key());
    const auto* master = source.converts ? saved_.find(source.key + "/master") : nullptr;
    if (master == nullptr || used[saved_.position(*master)] != 0) continue;
    used[saved_.position(*master)] = 1;
    notes.add(quoted(parameter.name()), "has a master copy in the checkpoint and none here; it is left out");
  }
  for (const auto& entry : saved_.entries()) {
    if (used[saved_.position(entry)] == 0) problems.add(quoted(entry.name), "is not among the tensors of this state");
  }
  if (!problems.empty()) {
    // Of a checkpoint the index has said already which parameters have another dtype.
    const bool may_convert = dtypes_differ && saved_.index() == nullptr && !options.convert_dtype;
    const auto head = saved_.index() == nullptr ? fmt::format("{} does not fit this plan:", saved_.where())
                                                : fmt::format("the data of {} do not fit its index:", saved_.where());
    throw CheckpointError(head + problems.text() + (may_convert ? convert_hint : ""));
  }
  for (auto& line : notes.lines()) notes_.push_back(std::move(line));
}

at::Tensor StateMatch::values(const StateEntry& entry) const {
  const auto* saved = saved_.find(source_of(entry.name).second);
  if (saved == nullptr) return at::zeros(entry.shape, at::TensorOptions().dtype(entry.dtype));
  return saved_.tensor(*saved).to(entry.dtype);
}

void StateMatch::make_masters(std::vector<ParameterState>& parameters) const {
  for (auto& parameter : parameters) {
    // A master of chunks is compared with the parameter when they are brought together, in every step.
    if (!parameter.master.defined() || parameter.descriptor->traits.unit == Unit::chunk) continue;
    if (saved_.find(source_of(parameter.key() + "/master").second) == nullptr)
      parameter.master.copy_(parameter.stored());
  }
}

}  // namespace switchyard
