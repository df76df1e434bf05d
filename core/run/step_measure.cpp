#include "core/run/step_measure.h"

#include <ATen/ATen.h>

#include <cmath>

#include "kernels/exact_sum.h"

namespace switchyard {

namespace {

void add_to(kernels::ExactSum64& sum, const at::Tensor& values) {
  if (values.scalar_type() == at::kDouble) {
    kernels::add_squares(values, sum);
    return;
  }
  kernels::ExactSum narrow;
  kernels::add_squares(values, narrow);
  kernels::add(sum, narrow);
}

double rms(const kernels::ExactSum64& sum, std::int64_t elements) {
  return elements == 0 ? 0.0 : sum.norm() / std::sqrt(static_cast<double>(elements));
}

}  // namespace

void StepMeasure::add(std::size_t group, const at::Tensor& before, const at::Tensor& after) {
  auto& sums = groups_[group];
  at::Tensor(before).neg_().add_(after.to(before.scalar_type()));
  add_to(sums.update, before);
  add_to(sums.param, after);
  sums.elements += after.numel();
}

void StepMeasure::reduce(Communicator& communicator) {
  constexpr auto words = static_cast<std::size_t>(kernels::ExactSum64::kWords);
  std::vector<std::int64_t> all;
  for (const auto& sums : groups_) {
    all.insert(all.end(), sums.update.words(), sums.update.words() + words);
    all.insert(all.end(), sums.param.words(), sums.param.words() + words);
    all.push_back(sums.elements);
  }
  communicator.all_reduce_sum(all);
  const auto* at = all.data();
  for (auto& sums : groups_) {
    std::copy_n(at, words, sums.update.words());
    std::copy_n(at + words, words, sums.param.words());
    sums.update.normalize();
    sums.param.normalize();
    sums.elements = at[2 * words];
    at += 2 * words + 1;
  }
}

double StepMeasure::update_rms(std::size_t group) const { return rms(groups_[group].update, groups_[group].elements); }
double StepMeasure::param_rms(std::size_t group) const { return rms(groups_[group].param, groups_[group].elements); }

}  // namespace switchyard
