#pragma once

#include <string>
#include <vector>

namespace switchyard {

/// Globs that say which of several groups each name belongs to, as a person would write them: `*` for numbers that vary
/// ("model.layers.*.mlp.up_proj.weight"), braces for siblings ("{up_proj,down_proj}"), as few as that gives. A glob of
/// one group matches no name of another, whatever the order of rules; numbers that do not vary stay as they are.
/// `names` are all different. Returns one list a group, in the order of first names.
std::vector<std::vector<std::string>> name_globs(const std::vector<std::vector<std::string>>& groups);

/// A glob that matches exactly this name.
std::string literal_glob(const std::string& name);

}  // namespace switchyard
