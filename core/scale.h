#pragma once

#include <cstdint>

#include "core/describe.h"

namespace switchyard {

/// How weight decay enters: with p the parameter and before the update is applied,
/// decoupled: p <- p (1 - lr(p, t) wd); independent: p <- p (1 - schedule(t) wd), which does not depend on the learning
/// rate.
enum class DecayMode : std::uint8_t { decoupled, independent };

constexpr auto describe(of<DecayMode>) {
  return choices(
      choice("decoupled", DecayMode::decoupled, "p <- p (1 - lr wd), with every factor of the learning rate"),
      choice("independent", DecayMode::independent, "p <- p (1 - schedule wd), whatever the learning rate"));
}

/// The factor of a block's update that depends on its shape [out, in] alone.
enum class ShapeScale : std::uint8_t { spectral, rms_to_rms, match_rms_adamw, none };

constexpr auto describe(of<ShapeScale>) {
  return choices(
      choice("spectral", ShapeScale::spectral, "sqrt(max(1, out / in)) (K. Jordan)"),
      choice("rms_to_rms", ShapeScale::rms_to_rms, "sqrt(out / in): RMS to RMS operator norm 1 (Bernstein, Newhouse)"),
      choice("match_rms_adamw", ShapeScale::match_rms_adamw,
             "0.2 sqrt(max(out, in)): the update RMS of AdamW (Moonlight)"),
      choice("none", ShapeScale::none, "1"));
}

/// The factor, in double. out and in are those of the logical block (a conv's in is I kh kw), never of a shard; 1 if
/// either is 0.
double shape_scale(ShapeScale scale, std::int64_t out, std::int64_t in);

/// The enumerator of a choice's name; throws std::logic_error for a name that is not in the table.
ShapeScale shape_scale_from_name(const std::string& name);

}  // namespace switchyard
