#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/diagnostics.h"
#include "core/plan.h"
#include "core/registry.h"
#include "rules/router.h"
#include "rules/spec.h"

namespace switchyard {

/// Turns a route into everything that will run: options, factors, view. Findings about many parameters of one rule or
/// override with one cause become one diagnostic that names the first and counts the others; `report` adds them.
class Resolver {
 public:
  Resolver(const Spec& spec, const Registry& registry) : spec_(spec), registry_(registry) {}

  /// Fills everything but the parts; false if something is wrong.
  bool resolve(const Route& route, PlannedParameter& out);
  void report(Diagnostics& diagnostics);

 private:
  struct Finding {
    Diagnostic first;
    std::vector<std::string> more;  ///< names of further parameters, at most a few
    std::size_t others = 0;
  };
  /// Where a value of an option comes from.
  struct Source {
    const SpecSetting* setting = nullptr;
    std::string said_by;
    std::string id;
  };

  bool check_dtype(const Route& route, const PlannedParameter& out);
  bool settings(const Route& route, const OptimizerDescriptor& plugin, PlannedParameter& out);
  bool apply(const Source& source, const OptimizerDescriptor& plugin, std::map<std::string, Source>& owners,
             PlannedParameter& out);
  bool decay(const Route& route, const OptimizerDescriptor& plugin, PlannedParameter& out);
  bool view(const Route& route, const OptimizerDescriptor& plugin, PlannedParameter& out);
  /// The finding of `key`, new or counted once more; null when it was known.
  Diagnostic* once(const std::string& key, const PlannedParameter& parameter, const std::string& code);
  std::string rule_key(const Route& route) const { return std::to_string(route.rule); }

  const Spec& spec_;
  const Registry& registry_;
  std::map<std::string, std::size_t> known_;
  std::vector<Finding> findings_;
};

}  // namespace switchyard
