#include "rules/roles_fused.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace switchyard {

namespace {

/// Modules whose fused gate/up tensor has a known layout although its shape does not show it.
struct GateUpLayout {
  const char* module;
  bool interleaved;  ///< gate and up alternate
};
constexpr GateUpLayout gate_up_layouts[] = {{"Llama4TextExperts", false}, {"GptOssExperts", true}};

std::string lower(std::string text) {
  for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool contains(const std::string& text, const char* what) { return text.find(what) != std::string::npos; }

std::string without(std::string text, const std::string& ending) {
  if (text.size() > ending.size() && text.compare(text.size() - ending.size(), ending.size(), ending) == 0) {
    text.resize(text.size() - ending.size());
  }
  return text;
}

/// What distinguishes this map from its siblings: "gate_up_proj" of mlp.gate_up_proj.weight and of
/// experts.gate_up_proj.
std::string own_name(const OutlineEntry& entry) { return without(lower(entry.own), "_weight"); }

/// Out and in of a 2-D sibling, read the way that `like` is stored.
std::pair<std::int64_t, std::int64_t> out_in(const OutlineEntry& entry, const ParameterRole& like) {
  const auto axis = [&](const std::vector<int>& axes) { return entry.size(static_cast<std::size_t>(axes[0])); };
  return {axis(like.out), axis(like.in)};
}

RoleSplit named_parts(int axis, std::vector<std::pair<std::string, std::int64_t>> parts, std::int64_t runs = 1) {
  RoleSplit out;
  out.axis = axis;
  out.parts = std::move(parts);
  out.interleave = runs;
  return out;
}
RoleSplit equal_parts(int axis, std::int64_t count, std::int64_t runs = 1) {
  RoleSplit out;
  out.axis = axis;
  out.equal = count;
  out.interleave = runs;
  return out;
}

/// Siblings, and those in the block that holds the block, where the block is an element of a list ("net.0.proj" beside
/// "net.2").
std::vector<const OutlineEntry*> near_in_list(const Outline& outline, const OutlineEntry& entry) {
  auto out = outline.siblings(entry);
  const auto dot = entry.parent.rfind('.');
  if (dot == std::string::npos || entry.parent.find_first_not_of("0123456789", dot + 1) != std::string::npos)
    return out;
  for (const auto i : outline.in(entry.parent.substr(0, dot))) {
    const auto& other = outline.entries()[static_cast<std::size_t>(i)];
    if (other.info != entry.info && other.ndim() == entry.ndim()) out.push_back(&other);
  }
  return out;
}

/// The width of the query: what the block's output projection reads. 0 if there is none.
std::int64_t query_size(const Outline& outline, const OutlineEntry& entry, const ParameterRole& role) {
  for (const auto* other : outline.siblings(entry)) {
    if (other->ndim() != 2 || !has_word(other->own, {"o", "out", "output", "proj", "dense", "wo", "c", "0"})) continue;
    if (has_word(other->own, {"q", "k", "v", "qkv", "in"})) continue;
    const auto [out, in] = out_in(*other, role);
    if (out == out_in(entry, role).second) return in;
  }
  return 0;
}

enum class Shown : std::uint8_t { no, order, unknown };

/// Whether a name spells the order query, key, value with each one contiguous. Names that known models use for
/// different layouts (query_key_value, wqkv) show nothing.
Shown qkv_shown(const OutlineEntry& entry, bool conv1d) {
  const auto& own = entry.own;
  const auto name = own_name(entry);
  if (own == "Wqkv" || own == "in_proj_weight" || name == "qkv" || name == "qkv_proj" || name == "to_qkv" ||
      name == "proj_qkv" || name == "attn_qkv" || name == "in_proj_qkv" || name == "c_qkv")
    return Shown::order;
  if (name == "c_attn") return conv1d ? Shown::order : Shown::unknown;
  if (contains(name, "qkv") || contains(name, "query_key_value")) return Shown::unknown;
  return Shown::no;
}

bool fuse_qkv(const Outline& outline, const OutlineEntry& entry, const HeadCounts& heads, ParameterRole& role) {
  const bool conv1d = role.out == std::vector<int>{1} && role.in == std::vector<int>{0};
  const auto shown = qkv_shown(entry, conv1d);
  if (shown == Shown::no || entry.ndim() != 2) return false;
  const auto [out, in] = out_in(entry, role);
  const auto axis = role.out[0];
  // nn.MultiheadAttention's documented layout; a name like it on another shape is something else.
  if (entry.own == "in_proj_weight" && out != 3 * in) return false;
  const auto q = query_size(outline, entry, role);
  const auto rest = q > 0 ? out - q : 2 * (out / 3);
  const bool equal = out % 3 == 0 && (q == 0 ? out == 3 * in : q == out / 3);
  const bool grouped = q > 0 && rest > 0 && rest % 2 == 0 && q % (rest / 2) == 0;
  role.role = Role::fused_qkv;
  role.fused = true;
  if (shown == Shown::unknown && heads.heads) {
    const auto groups = heads.kv_heads.value_or(*heads.heads);
    const auto columns = *heads.heads + 2 * groups;
    if (groups > 0 && *heads.heads % groups == 0 && out % columns == 0) {
      const auto size = out / columns;
      role.split = named_parts(axis, {{"q", *heads.heads / groups * size}, {"k", size}, {"v", size}}, groups);
      role.reason = fmt::format(
          "query, key and value in one matrix, head by head: the head count was given, so each run holds q, k and v");
      return true;
    }
  }
  if (shown == Shown::order && (equal || grouped)) {
    const auto kv = equal ? out / 3 : rest / 2;
    role.split = named_parts(axis, {{"q", out - 2 * kv}, {"k", kv}, {"v", kv}});
    role.reason = fmt::format("query, key and value in one matrix: {} shows the order{}",
                              entry.own == "c_attn" ? "the Conv1D layout" : fmt::format("the name `{}`", entry.own),
                              q > 0 ? ", the output projection shows the query's size" : "");
    return true;
  }
  role.guess = equal_parts(axis, 3);
  role.reason = shown == Shown::order
                    ? "query, key and value in one matrix, but nothing shows how large each is"
                    : fmt::format(
                          "query, key and value in one matrix, but `{}` is used both for whole blocks q|k|v and for "
                          "q|k|v head by head, and the head count is not in the shapes",
                          entry.own);
  return true;
}

bool fuse_kv(const OutlineEntry& entry, ParameterRole& role) {
  const auto name = own_name(entry);
  if (entry.ndim() != 2 || (name != "kv" && name != "to_kv" && name != "kv_proj" && name != "wkv")) return false;
  const auto out = out_in(entry, role).first;
  if (out % 2 != 0) return false;
  role.role = Role::fused_qkv;
  role.fused = true;
  role.split = named_parts(role.out[0], {{"k", out / 2}, {"v", out / 2}});
  role.reason = fmt::format("key and value in one matrix: the name `{}` shows the order", entry.own);
  return true;
}

/// Twice the size that the block's output map reads, and no map of just that size beside it.
bool twice_the_inner_size(const Outline& outline, const OutlineEntry& entry, const ParameterRole& role) {
  const auto [out, in] = out_in(entry, role);
  bool down = false;
  bool plain = false;
  for (const auto* other : near_in_list(outline, entry)) {
    const auto [other_out, other_in] = out_in(*other, role);
    down = down || (2 * other_in == out && other_out == in);
    plain = plain || 2 * other_out == out || (other_out == out && other_in == in);
  }
  return down && !plain;
}

bool fuse_gate_up(const Outline& outline, const OutlineEntry& entry, ParameterRole& role) {
  const auto name = own_name(entry);
  const bool gate_first = contains(name, "gate_up") || contains(name, "gateup") || contains(name, "gate_and_up");
  const bool up_first = contains(name, "up_gate") || contains(name, "upgate");
  const auto out = out_in(entry, role).first;
  const bool named = (gate_first || up_first) && out % 2 == 0;
  if (!named && !twice_the_inner_size(outline, entry, role)) return false;
  const auto axis = role.out[0];
  const bool stored_in_out = entry.ndim() == 3 && role.out[0] > role.in[0];
  role.role = entry.ndim() == 3 ? Role::experts : Role::fused_gate_up;
  role.fused = true;
  const std::string what =
      entry.ndim() == 3 ? "gate and up maps of every expert in one tensor" : "two maps in one matrix (gate and up)";
  const GateUpLayout* known = nullptr;
  for (const auto& layout : gate_up_layouts) {
    if (entry.info->module == layout.module) known = &layout;
  }
  if (known != nullptr) {
    role.split =
        named_parts(axis, {{"gate", known->interleaved ? 1 : out / 2}, {"up", known->interleaved ? 1 : out / 2}},
                    known->interleaved ? out / 2 : 1);
    role.reason = fmt::format("{}: module {} stores them {}", what, known->module,
                              known->interleaved ? "alternating" : "one behind the other");
  } else if (named && !stored_in_out) {
    role.split = named_parts(axis, {{gate_first ? "gate" : "up", out / 2}, {gate_first ? "up" : "gate", out / 2}});
    role.reason = fmt::format("{}: the name `{}` shows the order", what, entry.own);
  } else if (named) {
    role.guess = equal_parts(axis, 2);
    role.reason = fmt::format(
        "{}, but tensors stored [expert, in, out] keep them either one behind the other or "
        "alternating, and nothing shows which",
        what);
  } else {
    role.guess = equal_parts(axis, 2);
    role.reason = fmt::format("{}: twice as many outputs as the next map reads, but nothing shows the order", what);
  }
  return true;
}

/// x | z of a gated recurrent block: the depthwise convolution beside it sees half of the outputs.
bool fuse_gated_mixer(const Outline& outline, const OutlineEntry& entry, ParameterRole& role) {
  if (entry.ndim() != 2) return false;
  const auto [out, in] = out_in(entry, role);
  for (const auto i : outline.in(entry.parent)) {
    const auto& other = outline.entries()[static_cast<std::size_t>(i)];
    const bool depthwise = other.ndim() == 3 && other.size(1) == 1 && other.size(0) > 1 && other.size(2) <= 16;
    if (!depthwise || in >= out || out <= other.size(0)) continue;
    if (!has_word(entry.own, {"in", "input"})) continue;
    role.role = Role::fused_other;
    role.fused = true;
    if (out == 2 * other.size(0)) {
      role.split = equal_parts(role.out[0], 2);
      role.reason = "two maps in one matrix: the depthwise convolution beside it works on one half of the outputs";
    } else {
      const auto first = query_size(outline, entry, role);
      const auto last = out - first - other.size(0);
      if (first > 0 && last > 0) {
        role.guess = named_parts(role.out[0], {{"gate", first}, {"convolved", other.size(0)}, {"steps", last}});
      }
      role.reason =
          "several maps in one matrix: the depthwise convolution beside it works on a part of the outputs, but "
          "nothing shows the order of the parts";
    }
    return true;
  }
  return false;
}

/// weight_ih_l0 and weight_hh_l0 of torch's LSTM, GRU and RNN: gates one behind the other.
bool fuse_gates(const Outline& outline, const OutlineEntry& entry, ParameterRole& role) {
  const auto& leaf = entry.leaf;
  if (entry.ndim() != 2 || (leaf.rfind("weight_ih", 0) != 0 && leaf.rfind("weight_hh", 0) != 0)) return false;
  const auto* recurrent = outline.find((entry.owner.empty() ? "" : entry.owner + ".") + "weight_hh" + leaf.substr(9));
  if (recurrent == nullptr || recurrent->ndim() != 2) return false;
  // With a projection the recurrent matrix reads what weight_hr [projected, hidden] makes.
  const auto* projected = outline.find((entry.owner.empty() ? "" : entry.owner + ".") + "weight_hr" + leaf.substr(9));
  const auto hidden = projected != nullptr && projected->ndim() == 2 ? projected->size(1) : recurrent->size(1);
  const auto gates = hidden > 0 && entry.size(0) % hidden == 0 ? entry.size(0) / hidden : 0;
  if (gates != 3 && gates != 4) return false;
  const char* names[2][4] = {{"r", "z", "n", ""}, {"i", "f", "g", "o"}};
  std::vector<std::pair<std::string, std::int64_t>> parts;
  for (std::int64_t i = 0; i < gates; ++i) parts.emplace_back(names[gates - 3][i], hidden);
  role.role = Role::fused_other;
  role.fused = true;
  role.split = named_parts(0, std::move(parts));
  role.reason = fmt::format("the {} gates of a recurrent layer in one matrix, in torch's order", gates);
  return true;
}

/// The stream's width is what norms or most maps of the layer have; a latent of low rank has two maps at most.
bool reads_the_stream(const RoleModel& model, const OutlineEntry& entry, std::int64_t in) {
  if (in == model.outline.width(entry)) return true;
  return model.maps_with_axis(entry.layer, in) > 3;  // three beside this one
}

/// A whole number of the stream's widths that nothing in the model reads as it is: several maps under a name that says
/// nothing.
void fuse_unread(const RoleModel& model, const OutlineEntry& entry, ParameterRole& role) {
  const auto [out, in] = out_in(entry, role);
  if (in < 2 || out % in != 0 || out < 2 * in || out > 16 * in) return;
  if (entry.bare || model.read_elsewhere(entry, out)) return;
  if (has_word(entry.own, {"q", "k", "v", "query", "key", "value"})) return;  // heads of their own size
  if (!reads_the_stream(model, entry, in)) return;
  const auto count = out / in;
  role.role = count == 3 ? Role::fused_qkv : Role::fused_other;
  role.fused = true;
  role.guess = equal_parts(role.out[0], count);
  role.reason = fmt::format(
      "makes {} times the width of the layer's stream, and nothing in the model reads that many: several maps in one "
      "matrix, but nothing shows their order",
      count);
}

}  // namespace

void find_fusion(const RoleModel& model, const OutlineEntry& entry, ParameterRole& role) {
  const auto& outline = model.outline;
  if (!role.oriented || role.out.size() != 1 || role.in.size() != 1) return;
  if (entry.ndim() == 3) {
    fuse_gate_up(outline, entry, role);
    return;
  }
  if (fuse_gates(outline, entry, role) || fuse_qkv(outline, entry, model.heads, role) || fuse_kv(entry, role)) return;
  if (!entry.repeated()) return;
  if (fuse_gated_mixer(outline, entry, role) || fuse_gate_up(outline, entry, role)) return;
  fuse_unread(model, entry, role);
}

}  // namespace switchyard
