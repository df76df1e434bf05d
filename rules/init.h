#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "core/parameter_table.h"
#include "core/registry.h"
#include "rules/roles.h"

namespace switchyard {

struct InitOptions {
  std::string name;  ///< of the spec
  HeadCounts heads;
};

/// A starter spec for a model: linear maps, experts and dense convolutions on muon with their true axes, fused tensors
/// split where names or module types show the layout, everything else on adamw, nothing left to a fallback; the reason
/// of each rule in its `note`. Frozen tensors need no rule. A fused tensor whose layout nothing shows goes to adamw,
/// and a disabled rule before it holds the split to fill in.
///
/// The text parses and plans without an error or a warning on this table, and routes every tensor as `classify` says;
/// a program that breaks this throws std::logic_error. The registry must hold muon and adamw.
std::string init_spec(const ParameterTable& table, const Registry& registry, const InitOptions& options = {});
/// The same with roles that `classify` found for this table.
std::string init_spec(const ParameterTable& table, const std::vector<ParameterRole>& roles, const Registry& registry,
                      const std::string& name);

}  // namespace switchyard
