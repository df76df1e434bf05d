#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/parameter_table.h"

namespace switchyard {

/// A name cut at its dots, and where it stands.
struct OutlineEntry {
  const ParameterInfo* info = nullptr;
  std::vector<std::string> segments;
  std::string leaf;    ///< last segment: "weight"
  std::string owner;   ///< path without the leaf: "model.layers.3.mlp.up_proj"
  std::string parent;  ///< owner without its last segment: "model.layers.3.mlp"
  std::string own;     ///< last segment of the owner ("up_proj"); of a parameter without a module of its own, the leaf
  std::string layer;   ///< path through the last numbered segment that holds modules: "model.layers.3"; "" outside
  bool bare = false;   ///< held by a block itself, not by a layer module: the leaf is no weight, kernel or bias
  bool repeated() const { return !layer.empty(); }
  std::int64_t size(std::size_t axis) const { return info->shape[axis]; }
  std::size_t ndim() const { return info->shape.size(); }
};

/// What one sees of a model from its names and shapes alone: layers, siblings, widths. Nothing here knows any model by
/// name.
class Outline {
 public:
  /// `table` must outlive the outline.
  explicit Outline(const ParameterTable& table);

  const std::vector<OutlineEntry>& entries() const { return entries_; }
  /// Entries whose module lies directly in `parent`, or that `parent` holds itself.
  const std::vector<int>& in(const std::string& parent) const;
  /// The 1-D tensor `owner`.bias (or `leaf`_bias beside a bare parameter); null if there is none.
  const OutlineEntry* bias_of(const OutlineEntry& entry) const;
  /// Other tensors of as many axes in the same block, modules of the block's modules included ("to_out.0").
  std::vector<const OutlineEntry*> siblings(const OutlineEntry& entry) const;
  /// The tensor of this full name; null if there is none.
  const OutlineEntry* find(const std::string& name) const;
  /// Number of modules in the list `owner`.experts.0, .1 ... or whatever the list is called; the largest one in
  /// `parent`.
  std::int64_t list_length(const std::string& parent) const;

  /// The width of the stream that runs through the layer of `entry`: the commonest length of gains there, else in the
  /// model, else the columns of the first matrix; 0 if there is none.
  std::int64_t width(const OutlineEntry& entry) const;
  /// True if some norm, convolution or matrix reads or carries an axis of this size (lookup tables and the outputs of
  /// matrices outside the layers do not count).
  bool consumed(std::int64_t size) const { return consumed_.count(size) > 0; }
  /// Channel counts: lengths of 1-D tensors and outputs of convolutions.
  const std::set<std::int64_t>& channels() const { return channels_; }
  /// True if the order of the tensors says something: false for files that sort them by name.
  bool ordered() const { return ordered_; }

 private:
  std::vector<OutlineEntry> entries_;
  std::map<std::string, std::vector<int>> by_parent_;
  std::map<std::string, int> by_name_;
  std::map<std::string, std::set<std::string>> lists_;  ///< parent of a list -> its indices
  std::map<std::string, std::map<std::int64_t, int>> gains_;
  std::set<std::int64_t> consumed_;
  std::set<std::int64_t> channels_;
  std::int64_t first_columns_ = 0;
  bool ordered_ = true;
};

/// The words of a segment in lower case: cut at '_', '-' and before capitals ("relative_attention_bias", "LayerNorm").
std::vector<std::string> words_of(std::string_view segment);
bool has_word(std::string_view segment, const std::set<std::string>& words);

}  // namespace switchyard
