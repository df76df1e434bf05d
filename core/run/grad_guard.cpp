#include "core/run/grad_guard.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/error.h"
#include "kernels/exact_sum.h"

namespace switchyard {

namespace {

using kernels::ExactSum;
using kernels::ExactSum64;

/// "" if this gradient can be used for this parameter.
std::string unfit_gradient(const at::Tensor& gradient, const ParameterState& parameter) {
  if (gradient.layout() != at::kStrided) return fmt::format("its gradient has layout {}", c10::str(gradient.layout()));
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

/// Sums of one rank: narrow for float32, bfloat16 and float16 gradients, wide for float64.
struct Sums {
  ExactSum narrow;
  ExactSum64 wide;
  bool has_wide = false;

  void add(const at::Tensor& gradient) {
    if (gradient.scalar_type() == at::kDouble) {
      kernels::add_squares(gradient, wide);
      has_wide = true;
    } else {
      kernels::add_squares(gradient, narrow);
    }
  }
  void count_only(const Sums& other) {
    narrow.n_inf += other.narrow.n_inf;
    narrow.n_nan += other.narrow.n_nan;
    wide.n_inf += other.wide.n_inf;
    wide.n_nan += other.wide.n_nan;
  }
  void merge(const Sums& other) {
    narrow += other.narrow;
    if (other.has_wide) wide += other.wide;
    has_wide = has_wide || other.has_wide;
  }
  bool nonfinite() const { return narrow.nonfinite() || wide.nonfinite(); }
};

}  // namespace

void check_world(const std::vector<ParameterState>& parameters) {
  std::string problems;
  std::string sparse;
  const auto add = [](std::string& list, const std::string& text) { list += (list.empty() ? "" : "\n") + text; };
  for (const auto& parameter : parameters) {
    if (const auto change = parameter.identity.difference(parameter.tensor); !change.empty()) {
      add(problems,
          fmt::format("`{}` is not the tensor that was bound: {}; call rebind after moving or re-creating parameters",
                      parameter.name(), change));
      continue;
    }
    if (parameter.frozen()) {
      if (parameter.planned.info.requires_grad || !parameter.tensor.requires_grad()) continue;
      add(problems,
          fmt::format("`{}` was planned as frozen (requires_grad was false) and is trainable now; make a new plan",
                      parameter.name()));
      continue;
    }
    const auto& gradient = parameter.tensor.grad();
    if (!parameter.tensor.requires_grad() || !gradient.defined()) continue;
    if (gradient.is_sparse() || gradient.layout() != at::kStrided) {
      add(sparse, fmt::format("`{}` has a sparse gradient; make the layer's gradient dense (sparse=false) or freeze it",
                              parameter.name()));
      continue;
    }
    if (const auto why = unfit_gradient(gradient, parameter); !why.empty())
      add(problems, fmt::format("`{}`: {}", parameter.name(), why));
  }
  if (!sparse.empty()) throw SparseGradientError(sparse + (problems.empty() ? "" : "\n" + problems));
  if (!problems.empty()) throw InvalidParameterError(problems);
}

GradCheck check_gradients(std::vector<ParameterState>& parameters, std::size_t groups, bool group_norms,
                          Communicator& communicator) {
  const int ranks = communicator.size();
  const int rank = communicator.rank();
  Sums total;
  std::vector<Sums> by_group(group_norms ? groups : 0);
  // Votes: a rank whose shard is empty has none, since its gradient says nothing.
  std::vector<std::int64_t> with(parameters.size(), 0);
  std::vector<std::int64_t> without(parameters.size(), 0);
  std::vector<std::int64_t> bad(parameters.size(), 0);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    auto& parameter = parameters[i];
    parameter.gradient.reset();
    if (parameter.frozen()) continue;
    if (parameter.sharded && parameter.tensor.numel() == 0 && parameter.planned.info.numel() > 0) continue;
    const auto& gradient = parameter.tensor.grad();
    if (!parameter.tensor.requires_grad() || !gradient.defined()) {
      without[i] = 1;
      continue;
    }
    with[i] = 1;
    parameter.gradient = gradient.detach().to(at::kCPU);  // the caller's own memory unless it is on another device
    Sums own;
    own.add(parameter.gradient);
    if (own.nonfinite()) bad[i] = 1;
    // A replicated gradient is read everywhere (a NaN on one rank must stop all) but counts once in the norm.
    const int voice = parameter.voice(ranks);
    const bool counts = voice < 0 || voice == rank;
    if (counts) {
      total.merge(own);
    } else {
      total.count_only(own);
    }
    total.has_wide = total.has_wide || own.has_wide;
    if (group_norms && counts) by_group[parameter.group].merge(own);
  }

  std::vector<std::int64_t> words(total.narrow.words(), total.narrow.words() + ExactSum::kWords);
  words.push_back(total.has_wide ? 1 : 0);
  words.push_back(total.nonfinite() ? 1 : 0);
  words.insert(words.end(), with.begin(), with.end());
  words.insert(words.end(), without.begin(), without.end());
  communicator.all_reduce_sum(words);
  std::copy_n(words.begin(), ExactSum::kWords, total.narrow.words());
  total.narrow.normalize();
  const bool wide_anywhere = words[ExactSum::kWords] > 0;
  const bool bad_anywhere = words[ExactSum::kWords + 1] > 0;
  std::copy_n(words.begin() + ExactSum::kWords + 2, parameters.size(), with.begin());
  std::copy_n(words.begin() + ExactSum::kWords + 2 + static_cast<std::ptrdiff_t>(parameters.size()), parameters.size(),
              without.begin());

  GradCheck check;
  check.active.assign(parameters.size(), 0);
  std::string split;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i].frozen()) continue;
    if (with[i] > 0 && without[i] > 0) {
      split += fmt::format("{}`{}` has a gradient on {} ranks and none on {}", split.empty() ? "" : "\n",
                           parameters[i].name(), with[i], without[i]);
    }
    check.active[i] = with[i] > 0 ? 1 : 0;
    check.any = check.any || with[i] > 0;
    if (with[i] == 0) check.without_grad.push_back(parameters[i].name());
  }
  if (!split.empty()) throw InvalidParameterError(split);

  if (wide_anywhere) {
    communicator.all_reduce_sum({total.wide.words(), static_cast<std::size_t>(ExactSum64::kWords)});
    total.wide.normalize();
  }
  check.nonfinite = bad_anywhere;
  if (bad_anywhere) {
    communicator.all_reduce_sum(bad);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (bad[i] > 0) check.nonfinite_names.push_back(parameters[i].name());
    }
  }
  check.norm = wide_anywhere ? kernels::joint_norm(total.narrow, total.wide) : total.narrow.norm();
  for (auto& sums : by_group) {
    kernels::add(sums.wide, sums.narrow);
    communicator.all_reduce_sum({sums.wide.words(), static_cast<std::size_t>(ExactSum64::kWords)});
    sums.wide.normalize();
    check.group_norms.push_back(sums.wide.norm());
  }
  return check;
}

}  // namespace switchyard
