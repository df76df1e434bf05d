#pragma once
/// Coefficients of odd quintic Newton-Schulz polynomials p(x) = a x + b x^3 + c x^5: named sets, and the check that a
/// composition of them maps (0, 1] to something a step may be scaled by.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard::kernels {

struct Coefficients {
  double a = 0.0;
  double b = 0.0;
  double c = 0.0;
  bool operator==(const Coefficients&) const = default;
};

/// One named set. `unsafe` sets diverge or change sign at or just above 1; planners refuse them unless told otherwise.
struct CoefficientSet {
  std::string_view name;
  std::span<const Coefficients> rows;  ///< as published; never empty
  int default_steps;                   ///< the step count that it was published for
  bool unsafe;
  std::string_view source;
};

/// All sets, in a fixed order (static storage).
[[nodiscard]] std::span<const CoefficientSet> coefficient_sets();
[[nodiscard]] std::vector<std::string> coefficient_set_names();
/// nullptr if there is no such name. Aliases: quintic and dion mean you5.
[[nodiscard]] const CoefficientSet* find_coefficient_set(std::string_view name);

/// The first `steps` rows of the set; beyond its rows the last one repeats (so `jordan` repeats its only row). steps 0
/// means the set's default. Throws std::invalid_argument on an unknown name (listing the known ones) or steps < 0.
[[nodiscard]] std::vector<Coefficients> coefficient_set(std::string_view name, int steps = 0);

/// p_T(x): the rows applied to x one after the other.
[[nodiscard]] double evaluate(std::span<const Coefficients> rows, double x);

/// Empty if 0 < p_T(x) <= 2 and finite on (0, 1 + delta], else one sentence with the first x that fails and what
/// happened there. Grid: 2^16 log-spaced points on [1e-7, 1] and 4097 linear ones on [1, 1 + delta]. delta bounds how
/// far above 1 the largest singular value may lie after normalisation: 0.02 for bfloat16 iteration, 0.005 for float32
/// normalisation. Source: shared/reference/muon.md 4.3. Throws std::invalid_argument if rows is empty or delta is
/// negative or not finite.
[[nodiscard]] std::string check_coefficients(std::span<const Coefficients> rows, double delta);

}  // namespace switchyard::kernels
