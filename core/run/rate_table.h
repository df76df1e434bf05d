#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "core/run/parameter_state.h"

namespace switchyard {

/// The distinct learning rates and decay factors of a plan: a handful however many parameters there are, evaluated once
/// a step.
///   lr(p, t) = base lr x schedule(t) x the parameter's factors
///   decay(p, t) = lr(p, t) wd, or schedule(t) wd under `decay: independent`; wd may follow a schedule of its own
class RateTable {
 public:
  struct Rate {
    double lr = 0;
    double decay = 0;
  };

  /// Forgets all rows.
  void clear();
  /// The row of a parameter; equal ones share it. `group` outlives the table: its lr is read at each evaluation.
  std::size_t row_of(const ParameterState& parameter, const PlannedGroup& group);
  void evaluate(std::int64_t t);
  const Rate& operator[](std::size_t row) const { return rates_[row]; }

 private:
  struct Row {
    const PlannedGroup* group;
    const Schedule* lr_schedule;     ///< null: 1
    double factors;                  ///< of the learning rate, base left out
    const Schedule* decay_schedule;  ///< null: `decay` itself
    double decay;                    ///< wd, or what its schedule is multiplied by
    bool independent;
  };
  using Key = std::tuple<const PlannedGroup*, const Schedule*, double, const Schedule*, double, bool>;

  std::vector<Row> rows_;
  std::vector<Rate> rates_;
  std::map<Key, std::size_t> known_;
};

}  // namespace switchyard
