// Convolutions: [O, I / groups, k...]; transposed ones [I, O, k...].
#include <algorithm>

#include "rules/roles_model.h"
#include "rules/roles_words.h"

namespace switchyard {

namespace {

std::string numberless(const OutlineEntry& entry) {
  std::string out;
  for (const auto c : entry.info->name()) {
    if (c < '0' || c > '9') out += c;
  }
  return out;
}

/// Tensors of the same shape whose names differ in numbers only.
std::ptrdiff_t alike(const RoleModel& model, const OutlineEntry& entry) {
  const auto& entries = model.outline.entries();
  return std::count_if(entries.begin(), entries.end(), [&](const OutlineEntry& other) {
    return other.info->shape == entry.info->shape && numberless(other) == numberless(entry);
  });
}

bool grouped(const RoleModel& model, const OutlineEntry& entry, std::int64_t ins) {
  const auto outs = entry.size(0);
  if (outs % ins != 0 && outs > ins) return false;
  const auto& channels = model.outline.channels();
  return std::any_of(channels.begin(), channels.end(), [&](std::int64_t count) {
    return count >= 2 * ins && count % ins == 0 && outs % (count / ins) == 0;
  });
}

}  // namespace

void conv_role(const RoleModel& model, const OutlineEntry& entry, ParameterRole& role) {
  const auto& module = entry.info->module;
  const auto outs = entry.size(0);
  const auto ins = entry.size(1);
  std::vector<int> taps;
  for (std::size_t i = 2; i < entry.ndim(); ++i) taps.push_back(static_cast<int>(i));
  const auto* bias = model.outline.bias_of(entry);
  const bool transposed = contains(module, "Transpose") ||
                          (module.empty() && bias != nullptr && outs != ins && bias->size(0) == ins && ins > 1);
  if (transposed) {
    std::vector<int> out = {1};
    out.insert(out.end(), taps.begin(), taps.end());
    orient(role, std::move(out), {0});
    if (ins == 1)
      return say(role, Role::depthwise_conv, "a depthwise transposed convolution: one output channel a group");
    return say(role, Role::dense_conv, "a transposed convolution, stored [in, out, kernel]");
  }
  std::vector<int> in = {1};
  in.insert(in.end(), taps.begin(), taps.end());
  orient(role, {0}, std::move(in));
  const bool first = entry.info == model.first_conv || (!model.outline.ordered() && !entry.repeated());
  // The first convolution of a model of one-channel inputs looks depthwise too, but no other layer has its like.
  if (ins == 1 && (!first || alike(model, entry) > 1)) {
    return say(role, Role::depthwise_conv,
               "a depthwise convolution: one input channel a group, so no channels are mixed");
  }
  const auto& channels = model.outline.channels();
  if ((first || !entry.repeated()) && (ins <= 4 || channels.count(ins) == 0)) {
    return say(role, Role::stem_conv,
               "the convolution that reads the raw input: no layer of the model makes its input channels");
  }
  // Without an order any convolution outside the layers may be the first; one that reads the model's channels is not.
  if (!entry.repeated() && (!first || !model.outline.ordered()) && !model.outline.consumed(outs)) {
    return say(role, Role::output_head, "a convolution whose output channels no layer reads: the model's output");
  }
  if (channels.count(ins) == 0 && grouped(model, entry, ins)) {
    return say(role, Role::grouped_conv,
               "a grouped convolution: no layer has as few channels as it reads, and one block would mix groups");
  }
  say(role, Role::dense_conv,
      entry.ndim() == 3   ? "a dense convolution, stored [out, in, kernel]"
      : entry.ndim() == 4 ? "a dense convolution, stored [out, in, height, width]"
                          : "a dense convolution, stored [out, in, kernel...]");
}

}  // namespace switchyard
