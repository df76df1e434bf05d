#include "core/run/grad_guard.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/run/replica_check.h"

namespace switchyard {

/// What the one all-reduce carries, after the narrow sum: flags, digests, and counts a parameter.
enum GradGuard::Word : std::size_t {
  narrow_sum = 0,
  has_wide = kernels::ExactSum::kWords,
  nonfinite_here,
  refused,
  digest_sum,
  digest_squares,
  first_parameter,
};

namespace {

/// "" if this gradient can be used for this parameter.
std::string unfit_gradient(const at::Tensor& gradient, const ParameterState& parameter) {
  if (gradient.sizes() != parameter.tensor.sizes()) {
    return fmt::format("its gradient has shape {}, expected {}", to_string(gradient.sizes().vec()),
                       to_string(parameter.tensor.sizes().vec()));
  }
  if (dtype_of(gradient.scalar_type()) == Dtype::other) {
    return fmt::format("its gradient is {}, expected float32, float64, bfloat16 or float16",
                       c10::toString(gradient.scalar_type()));
  }
  if (gradient.device() != parameter.tensor.device()) {
    return fmt::format("its gradient is on {}, the parameter on {}", gradient.device().str(),
                       parameter.tensor.device().str());
  }
  if (gradient.numel() > 0 && gradient.const_data_ptr() == parameter.tensor.const_data_ptr()) {
    return "its gradient is the parameter's own memory";
  }
  return "";
}

/// Calls visit(tensor) for every tensor over a parameter's memory.
template <class Visit>
void each_tensor(const ParameterState& parameter, Visit&& visit) {
  visit(parameter.tensor);
  for (const auto& alias : parameter.aliases) visit(alias);
}

/// Makes `held` a tensor of this dtype and shape, if it is none.
at::Tensor& fit(at::Tensor& held, at::ScalarType dtype, at::IntArrayRef sizes) {
  if (!held.defined() || held.scalar_type() != dtype || held.sizes() != sizes)
    held = at::empty(sizes, at::TensorOptions().dtype(dtype));
  return held;
}

/// Notes where a gradient lies.
void take(GradientNow& now, const at::Tensor& gradient) {
  if (now.layout == 0 || gradient.strides() != at::IntArrayRef(now.strides)) {
    now.strides.assign(gradient.strides().begin(), gradient.strides().end());
    ++now.layout;
  }
  now.view.data = const_cast<void*>(gradient.const_data_ptr());
  now.view.dtype = gradient.scalar_type();
  now.view.strides = gradient.is_contiguous() ? nullptr : now.strides.data();
}

/// The gradient of a parameter: the caller's own memory, unless it is on another device or a sum over aliases.
void take_gradient(ParameterState& parameter) {
  auto& now = parameter.gradient;
  now.view.data = nullptr;
  const at::Tensor* only = nullptr;
  int found = 0;
  each_tensor(parameter, [&](const at::Tensor& tensor) {
    if (!tensor.requires_grad() || !tensor.grad().defined()) return;
    ++found;
    if (found == 1) {
      only = &tensor.grad();
      return;
    }
    const auto type = parameter.work_dtype();
    if (found == 2) fit(now.held, type, tensor.sizes()).copy_(*only);
    now.held.add_(tensor.grad().to(at::kCPU, type));
  });
  if (found == 0) return;
  if (found == 1 && only->device().is_cpu()) {
    take(now, *only);
    return;
  }
  if (found == 1) fit(now.held, only->scalar_type(), only->sizes()).copy_(*only);
  take(now, now.held);
}

}  // namespace

GradGuard::GradGuard(std::vector<ParameterState>& parameters, std::size_t groups, Communicator& communicator)
    : parameters_(parameters), groups_(groups), communicator_(communicator), sums_(1) {
  check_.active.assign(parameters.size(), 0);
  items_.reserve(parameters.size());
  of_item_.reserve(parameters.size());
}

void GradGuard::check_world() const {
  std::string problems;
  std::string sparse;
  const auto add = [](std::string& list, const std::string& text) { list += (list.empty() ? "" : "\n") + text; };
  for (const auto& parameter : parameters_) {
    bool changed = false;
    each_tensor(parameter, [&](const at::Tensor& tensor) {
      if (const auto change = parameter.identity.difference(tensor); !change.empty()) {
        add(problems, fmt::format("`{}` is not the tensor that was bound: {}; {}", parameter.name(), change,
                                  parameter.identity.dtype == tensor.scalar_type()
                                      ? "call rebind after moving or re-creating parameters"
                                      : "a dtype belongs to the plan: make a new plan and optimizer and load the state "
                                        "with convert_dtype, or change the model back"));
        changed = true;
      }
    });
    if (changed) continue;
    if (parameter.frozen()) {
      if (parameter.planned.info.requires_grad || !parameter.requires_grad()) continue;
      add(problems,
          fmt::format("`{}` was planned as frozen (requires_grad was false) and is trainable now; make a new plan",
                      parameter.name()));
      continue;
    }
    each_tensor(parameter, [&](const at::Tensor& tensor) {
      const auto& gradient = tensor.grad();
      if (!tensor.requires_grad() || !gradient.defined()) return;
      if (gradient.is_sparse() || gradient.layout() != at::kStrided) {
        add(sparse,
            fmt::format("`{}` has a sparse gradient; make the layer's gradient dense (sparse=false) or freeze it",
                        parameter.name()));
      } else if (const auto why = unfit_gradient(gradient, parameter); !why.empty()) {
        add(problems, fmt::format("`{}`: {}", parameter.name(), why));
      }
    });
  }
  if (!sparse.empty()) throw SparseGradientError(sparse + (problems.empty() ? "" : "\n" + problems));
  if (!problems.empty()) throw InvalidParameterError(problems);
}

void GradGuard::take_gradients() {
  items_.clear();
  of_item_.clear();
  const int ranks = communicator_.size();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    auto& parameter = parameters_[i];
    if (parameter.frozen()) continue;
    take_gradient(parameter);
    const auto& gradient = parameter.gradient;
    if (!gradient.view) continue;
    auto& item = items_.emplace_back();
    item.view = gradient.view;
    item.sizes = {parameter.tensor.sizes().data(), parameter.tensor.sizes().size()};
    item.numel = parameter.tensor.numel();
    item.group = groups_ > 0 && sums_.size() > 1 ? parameter.group : 0;
    // A replicated gradient is read everywhere (a NaN on one rank must stop all) but counts once in the norm.
    const int voice = parameter.voice(ranks);
    item.counts = voice < 0 || voice == communicator_.rank();
    of_item_.push_back(i);
  }
}

void GradGuard::read(const GradAsk& ask) {
  sums_.resize(ask.group_norms ? std::max<std::size_t>(groups_, 1) : 1);
  for (auto& sums : sums_) sums.reset();
  total_.reset();
  items_.clear();
  of_item_.clear();
  if (ask.refused) return;
  take_gradients();
  kernels::add_squares_of(items_, sums_);
  for (const auto& sums : sums_) {
    total_.narrow += sums.narrow;
    if (sums.has_wide) total_.wide += sums.wide;
    total_.has_wide = total_.has_wide || sums.has_wide;
  }
}

void GradGuard::fill_words(const GradAsk& ask) {
  words_.assign(first_parameter + 2 * parameters_.size(), 0);
  std::copy_n(total_.narrow.words(), kernels::ExactSum::kWords, words_.begin());
  words_[has_wide] = total_.has_wide ? 1 : 0;
  words_[nonfinite_here] = total_.nonfinite() ? 1 : 0;
  words_[refused] = ask.refused ? 1 : 0;
  const auto digest = short_hash(ask.digest, communicator_.size());
  words_[digest_sum] = digest;
  words_[digest_squares] = digest * digest;
  if (ask.refused) return;
  // Votes on presence: a rank whose shard is empty has none, since its gradient says nothing.
  std::size_t item = 0;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const auto& parameter = parameters_[i];
    const bool present = item < of_item_.size() && of_item_[item] == i;
    if (present) ++item;
    if (parameter.frozen()) continue;
    if (parameter.sharded && parameter.tensor.numel() == 0 && parameter.planned.info.numel() > 0) continue;
    ++words_[first_parameter + 2 * i + (present ? 0 : 1)];
  }
}

/// For each replicated parameter the sum and the sum of squares of a hash, of its gradient and of its value: the hashes
/// are equal exactly where ranks x squares = sum^2, which every rank sees alike.
void GradGuard::add_replica_words() {
  hashes_.assign(2 * parameters_.size(), 0);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const auto& parameter = parameters_[i];
    if (parameter.frozen() || parameter.sharded) continue;
    if (parameter.gradient.view) {
      hashes_[2 * i] =
          short_hash(hash_of_elements(parameter.gradient.view, parameter.tensor.sizes(), parameter.gradient.strides),
                     communicator_.size());
    }
    const auto stored = parameter.stored();
    kernels::View view;
    view.data = const_cast<void*>(stored.const_data_ptr());
    view.dtype = stored.scalar_type();
    hashes_[2 * i + 1] = short_hash(hash_of_elements(view, stored.sizes(), stored.strides()), communicator_.size());
  }
  for (const auto hash : hashes_) {
    words_.push_back(hash);
    words_.push_back(hash * hash);
  }
}

void GradGuard::compare_presence() {
  std::string split;
  check_.any = false;
  check_.without_grad = 0;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    check_.active[i] = 0;
    if (parameters_[i].frozen()) continue;
    const auto with = words_[first_parameter + 2 * i];
    const auto without = words_[first_parameter + 2 * i + 1];
    if (with > 0 && without > 0) {
      split += fmt::format("{}`{}` has a gradient on {} ranks and none on {}", split.empty() ? "" : "\n",
                           parameters_[i].name(), with, without);
    }
    check_.active[i] = with > 0 ? 1 : 0;
    check_.any = check_.any || with > 0;
    if (with == 0) ++check_.without_grad;
  }
  if (!split.empty()) throw InvalidParameterError(split);
}

void GradGuard::compare_replicas() {
  std::vector<std::size_t> differ;  // positions in hashes_
  const auto* words = words_.data() + first_parameter + 2 * parameters_.size();
  for (std::size_t k = 0; k < hashes_.size(); ++k) {
    if (!all_equal(words[2 * k], words[2 * k + 1], communicator_.size())) differ.push_back(k);
  }
  if (differ.empty()) return;
  std::vector<ReplicaDifference> found;
  constexpr std::size_t most = 8;
  for (std::size_t k = 0; k < std::min(differ.size(), most); ++k) {
    found.push_back({parameters_[differ[k] / 2].name(), differ[k] % 2 == 0 ? "gradient" : "value", hashes_[differ[k]]});
  }
  throw InvalidParameterError(describe_differences(found, differ.size() - found.size(), communicator_));
}

void GradGuard::norms(const GradAsk& ask, bool wide_anywhere) {
  if (wide_anywhere) {
    communicator_.all_reduce_sum({total_.wide.words(), static_cast<std::size_t>(kernels::ExactSum64::kWords)});
    total_.wide.normalize();
  }
  check_.norm = wide_anywhere ? kernels::joint_norm(total_.narrow, total_.wide) : total_.narrow.norm();
  check_.group_norms.clear();
  if (!ask.group_norms) return;
  for (auto& sums : sums_) {
    kernels::add(sums.wide, sums.narrow);
    communicator_.all_reduce_sum({sums.wide.words(), static_cast<std::size_t>(kernels::ExactSum64::kWords)});
    sums.wide.normalize();
    check_.group_norms.push_back(sums.wide.norm());
  }
}

const GradCheck& GradGuard::check(const GradAsk& ask) {
  const auto ranks = communicator_.size();
  read(ask);
  fill_words(ask);
  const bool replicas = ask.compare_replicas && ranks > 1;
  if (replicas && !ask.refused) {
    add_replica_words();
  } else if (replicas) {
    words_.resize(words_.size() + 4 * parameters_.size(), 0);
  }
  communicator_.all_reduce_sum(words_);
  check_.refusals = words_[refused];
  check_.same_digest = all_equal(words_[digest_sum], words_[digest_squares], ranks);
  if (check_.refusals > 0 || !check_.same_digest) return check_;
  compare_presence();
  if (replicas) compare_replicas();

  std::copy_n(words_.begin(), kernels::ExactSum::kWords, total_.narrow.words());
  total_.narrow.normalize();
  check_.nonfinite = words_[nonfinite_here] > 0;
  check_.nonfinite_parameters.clear();
  if (check_.nonfinite) {
    std::vector<std::int64_t> bad(parameters_.size(), 0);
    for (std::size_t k = 0; k < items_.size(); ++k) bad[of_item_[k]] = items_[k].nonfinite;
    communicator_.all_reduce_sum(bad);
    for (std::size_t i = 0; i < bad.size(); ++i) {
      if (bad[i] > 0) check_.nonfinite_parameters.push_back(i);
    }
  }
  norms(ask, words_[has_wide] > 0);
  return check_;
}

}  // namespace switchyard
