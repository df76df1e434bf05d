#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/run/communicator.h"
#include "core/run/parameter_state.h"

namespace switchyard {

/// One tensor of state as a checkpoint sees it: whole, whatever the sharding. Named `<key>/<slot>[/<block>]`,
/// `<key>/master`,
/// `<key>/count` (int64, 0-D).
struct StateEntry {
  std::string name;
  at::ScalarType dtype = at::kFloat;
  std::vector<std::int64_t> shape;
};

/// All state of all trained parameters, sorted by name.
std::vector<StateEntry> state_entries(const std::vector<ParameterState>& parameters);

/// Brings entries together on rank 0, one at a time.
class StateGatherer {
 public:
  StateGatherer(const std::vector<ParameterState>& parameters, Communicator& communicator);
  ~StateGatherer();
  StateGatherer(const StateGatherer&) = delete;
  StateGatherer& operator=(const StateGatherer&) = delete;

  /// Collective: all ranks ask for the same entries in the same order. The whole tensor on rank 0, undefined elsewhere.
  at::Tensor gather(const std::string& name);

 private:
  struct Locations;
  const std::vector<ParameterState>& parameters_;
  Communicator& communicator_;
  std::unique_ptr<Locations> locations_;
};

/// Local: overwrites this rank's part of all state from whole tensors. `read` gives a contiguous CPU tensor of the
/// entry's dtype and shape; it is called once an entry. Counts and masters included.
void scatter_state(std::vector<ParameterState>& parameters, int rank,
                   const std::function<at::Tensor(const StateEntry&)>& read);

}  // namespace switchyard
