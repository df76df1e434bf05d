#include <c10/util/SmallVector.h>

#include <string>
#include <string_view>

#include "core/plugin/elementwise.h"
#include "core/remembered.h"
#include "kernels/newton_schulz.h"

namespace switchyard {
namespace {

enum class Form : std::uint8_t { ema, heavy_ball };

constexpr auto describe(of<Form>) {
  return choices(choice("ema", Form::ema, "m <- mu m + (1 - mu) g"),
                 choice("heavy_ball", Form::heavy_ball, "m <- mu m + g"));
}

/// The named sets of kernels/coefficients.h.
enum class Set : std::uint8_t { mod, jordan, you5, you6, polar_express, deepseekv4, tight5, tight5s, flat5, simple12 };

constexpr auto describe(of<Set>) {
  return choices(choice("mod", Set::mod, "Polar Express with safety inside the recursion (modded-nanogpt, dion)"),
                 choice("jordan", Set::jordan, "(3.4445, -4.7750, 2.0315) in every step (K. Jordan, torch)"),
                 choice("you5", Set::you5, "five tuned steps (J. You)"),
                 choice("you6", Set::you6, "six tuned steps (modula)"),
                 choice("polar_express", Set::polar_express, "Polar Express, safety 1.01 (Amsel et al.)"),
                 choice("deepseekv4", Set::deepseekv4, "eight jordan steps, two polishing steps"),
                 choice("tight5", Set::tight5, "singular values within 0.9 % of 1 on [5e-3, 1]"),
                 choice("tight5s", Set::tight5s, "tight5 with a wider safety margin"),
                 choice("flat5", Set::flat5, "singular values within 0.1 % of 1 on [5e-3, 1], smaller slope at 0"),
                 choice("simple12", Set::simple12, "(2, -1.5, 0.5), twelve steps for full convergence"));
}

enum class Precision : std::uint8_t { automatic, float32, bfloat16, float64 };

constexpr auto describe(of<Precision>) {
  return choices(choice("auto", Precision::automatic, "bfloat16 where the processor multiplies it fast, else float32"),
                 choice("float32", Precision::float32, "single precision"),
                 choice("bfloat16", Precision::bfloat16, "bfloat16 operands"),
                 choice("float64", Precision::float64, "double precision; for references"));
}

struct MuonOptions {
  double momentum = 0.95;
  Form form = Form::ema;
  bool nesterov = true;
  Set coefficients = Set::mod;
  std::int64_t ns_steps = 5;
  Precision dtype = Precision::automatic;
  ShapeScale scale = ShapeScale::spectral;
  double weight_decay = 0;
  DecayMode decay = DecayMode::decoupled;
};

constexpr auto describe(of<MuonOptions>) {
  return options(
      option("momentum", &MuonOptions::momentum, half_open(0, 1), "mu, the decay of the gradient average m.")
          .schedulable(),
      option("form", &MuonOptions::form, "How a new gradient enters m."),
      option("nesterov", &MuonOptions::nesterov,
             "Orthogonalize the look-ahead average: mu m + (1 - mu) g, or mu m + g."),
      option("coefficients", &MuonOptions::coefficients, "Coefficients of the Newton-Schulz polynomials."),
      option("ns_steps", &MuonOptions::ns_steps, closed(1, 100),
             "Newton-Schulz steps; beyond the set's rows its last row repeats."),
      option("dtype", &MuonOptions::dtype, "Type of the Newton-Schulz iteration.").arithmetic(),
      option("scale", &MuonOptions::scale, "Factor of a block's update by its shape.").role(OptionRole::shape_scale),
      option("weight_decay", &MuonOptions::weight_decay, at_least(0), "wd, decoupled from the gradient.")
          .schedulable()
          .role(OptionRole::weight_decay),
      option("decay", &MuonOptions::decay, "What the weight decay is multiplied by.").role(OptionRole::decay_mode));
}

std::vector<kernels::Coefficients> rows_of(const MuonOptions& o) {
  std::string_view name;
  for (const auto& entry : describe(of<Set>{})) {
    if (entry.value == o.coefficients) name = entry.name;
  }
  return kernels::coefficient_set(name, static_cast<int>(o.ns_steps));
}

at::ScalarType iteration_dtype(const MuonOptions& o, at::ScalarType work, const Machine& machine) {
  switch (o.dtype) {
    case Precision::automatic:
      break;
    case Precision::float32:
      return at::kFloat;
    case Precision::bfloat16:
      return at::kBFloat16;
    case Precision::float64:
      return at::kDouble;
  }
  // A parameter in double precision asks for double precision, whatever the processor is fast at.
  if (work == at::kDouble) return at::kDouble;
  return machine.fast_bfloat16 ? at::kBFloat16 : at::kFloat;
}

kernels::NewtonSchulz iteration(const MuonOptions& o, at::ScalarType work, const Machine& machine) {
  kernels::NewtonSchulz ns;
  ns.rows = rows_of(o);
  ns.dtype = iteration_dtype(o, work, machine);
  return ns;
}

/// Momentum orthogonalized by Newton-Schulz, each block by itself. With c the shape scale of a block and O its
/// orthogonalized (look-ahead) average: p <- p (1 - decay) - lr c O. K. Jordan et al., "Muon", 2024.
class Muon final : public Optimizer {
 public:
  void begin(Pieces pieces, const Step& step) override {
    const auto& o = step.options<MuonOptions>();
    elementwise(pieces, step, operands(in(piece::grad), inout(piece::state(0)), out(piece::work)),
                [&](const Numbers&, auto real) {
                  const auto mu = real(o.momentum), fresh = real(o.form == Form::ema ? 1 - o.momentum : 1);
                  return [=, nesterov = o.nesterov](auto g, auto& m, auto& u) {
                    const auto added = fresh * g;
                    m = mu * m + added;
                    u = select(nesterov, mu * m + added, m);
                  };
                });
  }

  void transform(Stack& stack, const Step& step) override {
    const auto ns = iteration(step.options<MuonOptions>(), stack.work.scalar_type(), *step.machine);
    kernels::orthogonalize_(stack.work, ns, stack.scale);
  }

  void finish(Pieces pieces, const Step& step) override { apply_update(pieces, step); }
};

/// For maps inside numbered blocks: there a name or a shape shows what a tensor is. What it does not show (heads that
/// are interleaved, routers, tables) is left to the fallback, or to rules that go over these.
constexpr const char* suggested = R"json({
  "switchyard": 1,
  "description": "Muon for the linear maps and dense convolutions inside numbered blocks. What trains the rest is for the spec to say: see plugin:adamw/defaults.",
  "optimizers": {
    "muon": {"plugin": "muon", "lr": 0.02, "options": {"weight_decay": 0.01}}
  },
  "rules": [
    {"id": "muon-fused-conv1d", "match": {"name": "{,**.}[0-9]*.**.c_attn.weight", "module": "Conv1D", "where": "fan_out == 3 * fan_in"},
     "use": "muon", "matrix": {"split": {"axis": 1, "parts": 3}}, "optional": true,
     "note": "Query, key and value are three maps, one after the other; Conv1D stores [in, out]."},
    {"id": "muon-fused", "match": {"name": "{,**.}[0-9]*.**.c_attn.weight", "not": {"module": "Conv1D"}, "where": "fan_out == 3 * fan_in"},
     "use": "muon", "matrix": {"split": {"axis": 0, "parts": 3}}, "optional": true,
     "note": "The same, stored as [out, in]."},
    {"id": "muon-linears", "match": {"name": "{,**.}[0-9]*.**", "ndim": 2, "where": "min(rows, cols) >= 16"},
     "except": {"any": [
       {"module": ["Embedding", "LSTM", "GRU", "RNN"]},
       {"name": "**{bias,norm,norm.weight,embedding,embeddings,embedding.weight,embeddings.weight}"},
       {"name": "**.{gate,router,wg,scores,classifier,lm_head,head}{,.weight}"},
       {"name": "**.router.**"},
       {"name": "**.{lora_*,A_log,time_*}{,.**}"},
       {"name": "**.{c_attn,qkv,qkv_proj,query_key_value,Wqkv,in_proj,in_proj_weight,gate_up_proj,w12}{,.weight}"}]},
     "use": "muon", "optional": true,
     "note": "Linear maps of blocks. Not here: tables, routers, adapters, decay tables, and fused maps, which need a rule of their own with the split of the model."},
    {"id": "muon-convolutions", "match": {"name": "{,**.}[0-9]*.**", "shape": ["*", ">=16", "*", "*"]},
     "except": {"module": ["ConvTranspose2d", "Embedding"]},
     "use": "muon", "matrix": {"out": [0], "in": [1, 2, 3]}, "optional": true,
     "note": "Dense convolutions [out, in, kh, kw], flattened to [out, in kh kw]. With few input channels they are stems, depthwise or grouped: no matrices to speak of."}
  ]
})json";

/// With `auto`, those of float32: owners of blocks are chosen by them, and the choice may not depend on a machine.
double flops(std::int64_t out, std::int64_t in, const OptionValues& values) {
  const auto o = read_options<MuonOptions>(values);
  return kernels::newton_schulz_flops(out, in, iteration_dtype(o, at::kFloat, {}), o.ns_steps);
}

std::int64_t scratch(std::int64_t out, std::int64_t in, Dtype work, const OptionValues& values,
                     const Machine& machine) {
  const auto type = work == Dtype::float64 ? at::kDouble : at::kFloat;
  return kernels::orthogonalize_bytes(out, in, type, iteration(read_options<MuonOptions>(values), type, machine));
}

/// A set cut short or run on may leave (0, 2]; such an iteration would flip or blow up singular values. 0.005 bounds
/// how far above 1 the largest singular value can lie: the norm is exact and the cast comes after the division.
std::string check(const OptionValues& values) {
  const auto problem = kernels::check_coefficients(rows_of(read_options<MuonOptions>(values)), 0.005);
  return problem.empty() ? "" : "these `coefficients` with this `ns_steps` are not safe: " + problem;
}

std::string resolved(const OptionValues& values, const Machine& machine) {
  if (read_options<MuonOptions>(values).dtype != Precision::automatic) return "";
  return std::string("dtype auto -> ") + (machine.fast_bfloat16 ? "bfloat16: " : "float32: ") + machine.why;
}

}  // namespace
}  // namespace switchyard

SWITCHYARD_PLUGIN(muon) {
  registry.add(
      describe_optimizer<Muon, MuonOptions>({.name = "muon",
                                             .doc = "Momentum orthogonalized by Newton-Schulz iteration.",
                                             .slots = {{.name = "momentum"}},
                                             .traits = {.unit = Unit::matrix, .master = true, .scale_free = true},
                                             .defaults = suggested,
                                             .flops = flops,
                                             .scratch = scratch,
                                             .resolved = resolved,
                                             .check = remembered(check, {"coefficients", "ns_steps"})}));
}
