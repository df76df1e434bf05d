#pragma once

#include <set>
#include <string>

#include "rules/outline.h"

namespace switchyard {

/// What a module type or the words of a name say: the vocabulary of `classify`. Module types are those of torch and of
/// libraries that derive from them; no model is known by its name.

bool contains(const std::string& text, const char* what);

/// Linear, QuantLinear; not Bilinear.
bool is_linear(const std::string& module);
/// Conv1d, Conv2dSame, ScaledStdConv2d; not transformers' Conv1D, which is a linear map.
bool is_conv(const std::string& module);
bool is_norm(const OutlineEntry& entry);
/// By module type, or by name and shape where there are no module types.
bool looks_like_conv(const OutlineEntry& entry);
/// A lookup table by module type, or by its name where there are no module types.
bool is_table(const OutlineEntry& entry);
bool named_position(const OutlineEntry& entry);
/// Rates of a recurrence: A_log, time_decay.
bool decays(const OutlineEntry& entry);
/// in_proj_weight, weight_ih_l0; not weight_g, weight_scale or qweight.
bool torch_weight(const std::string& leaf);
/// True if a segment of the name has one of the words.
bool has_any_word(const OutlineEntry& entry, const std::set<std::string>& words);

extern const std::set<std::string> embedding_words;
extern const std::set<std::string> head_words;
extern const std::set<std::string> adapter_words;
extern const std::set<std::string> router_words;

}  // namespace switchyard
