#include "kernels/elementwise.h"

#include "kernels/denormals.h"
#include "kernels/quantize.h"
#include "kernels/recorded.h"

#include <ATen/Parallel.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <stdexcept>
#include <string>

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kChunk = 1024;  // elements converted at a time
constexpr std::int64_t kBuffer = kMaxCodecChunk;
constexpr std::int64_t kItemCost = 32;      // what an item costs beside its elements, in elements
constexpr std::int64_t kGrain = 32 * 1024;  // elements worth a thread
constexpr std::int64_t kCut = 64;           // cuts inside items lie at multiples of it

[[noreturn]] void refuse(std::size_t operand, const std::string& why) {
  throw std::invalid_argument("elementwise: operand " + std::to_string(operand) + " " + why);
}

template <class F>
void with_type(at::ScalarType type, F&& f) {
  switch (type) {
    case at::ScalarType::Float:
      return f(float{});
    case at::ScalarType::Double:
      return f(double{});
    case at::ScalarType::BFloat16:
      return f(c10::BFloat16{});
    default:
      return f(c10::Half{});
  }
}

bool is_floating(at::ScalarType type) {
  return type == at::ScalarType::Float || type == at::ScalarType::Double || type == at::ScalarType::BFloat16 ||
         type == at::ScalarType::Half;
}

/// Rounds to nearest even once, also from double to the half types: through a float that is rounded to odd.
template <class To, class From>
To round_to(From x) {
  if constexpr (sizeof(To) == 2 && sizeof(From) == 8) {
    float f = static_cast<float>(x);
    if (std::isfinite(f) && static_cast<double>(f) != x) {
      if (std::abs(static_cast<double>(f)) > std::abs(x)) f = std::nextafter(f, 0.0F);
      f = std::bit_cast<float>(std::bit_cast<std::uint32_t>(f) | 1U);
    }
    return static_cast<To>(f);
  } else {
    return static_cast<To>(x);
  }
}

/// The memory of an item's operands (and of stored tensors behind masters) as one iteration space: dimensions ordered
/// by the first written operand's strides, neighbours merged where all sides allow it. The order is free.
class Space {
 public:
  static constexpr std::size_t kSides = 2 * kMaxOperands;  // operands, then what is stored behind them

  Space(const ElementItem& item, const ElementCall& call) {
    std::array<std::array<std::int64_t, kMaxAxes>, kSides> own{};
    bool packed = true;
    for (std::size_t s = 0; s < kSides; ++s) {
      const auto* view = side(item, call, s);
      if (view != nullptr && view->strides != nullptr) packed = false;
    }
    if (packed) {
      dimensions_ = 1;
      sizes_[0] = item.numel;
      for (auto& strides : strides_) strides[0] = 1;
      return;
    }
    if (item.sizes.size() > kMaxAxes) throw std::invalid_argument("elementwise: an item has too many dimensions");
    std::size_t lead = 0;
    while (lead + 1 < call.operands && call.access[lead] == Access::in) ++lead;
    if (call.access[lead] == Access::in) lead = 0;
    for (std::size_t s = 0; s < kSides; ++s) {
      const auto* view = side(item, call, s);
      if (view == nullptr) continue;
      std::int64_t inner = 1;
      for (auto d = item.sizes.size(); d-- > 0;) {
        own[s][d] = view->strides != nullptr ? view->strides[d] : inner;
        inner *= item.sizes[d];
      }
    }
    std::array<std::size_t, kMaxAxes> order{};
    std::size_t used = 0;
    for (std::size_t d = 0; d < item.sizes.size(); ++d) {
      if (item.sizes[d] != 1) order[used++] = d;
    }
    // Insertion: few dimensions, no allocation, and equal strides keep their order.
    for (std::size_t k = 1; k < used; ++k) {
      for (auto j = k; j > 0 && own[lead][order[j - 1]] < own[lead][order[j]]; --j) std::swap(order[j - 1], order[j]);
    }
    for (std::size_t k = 0; k < used; ++k) {
      const auto d = order[k];
      bool merges = dimensions_ > 0;
      for (std::size_t s = 0; merges && s < kSides; ++s)
        merges = strides_[s][dimensions_ - 1] == own[s][d] * item.sizes[d];
      if (!merges) ++dimensions_;
      sizes_[dimensions_ - 1] = (merges ? sizes_[dimensions_ - 1] : 1) * item.sizes[d];
      for (std::size_t s = 0; s < kSides; ++s) strides_[s][dimensions_ - 1] = own[s][d];
    }
    if (dimensions_ == 0) {  // a scalar, or all sizes 1
      dimensions_ = 1;
      sizes_[0] = 1;
      for (auto& strides : strides_) strides[0] = 1;
    }
  }

  std::int64_t inner() const { return sizes_[dimensions_ - 1]; }
  std::int64_t stride(std::size_t s) const { return strides_[s][dimensions_ - 1]; }
  /// Whether [begin, begin + n) lies in one stretch of the innermost dimension.
  bool one_stretch(std::int64_t begin, std::int64_t n) const { return begin % inner() + n <= inner(); }

  std::int64_t offset(std::size_t s, std::int64_t at) const {
    auto row = at / inner();
    auto out = (at % inner()) * stride(s);
    for (auto d = dimensions_ - 1; d-- > 0;) {
      out += (row % sizes_[d]) * strides_[s][d];
      row /= sizes_[d];
    }
    return out;
  }

  /// Calls run(offset, position from begin, length) for each stretch of [begin, begin + n).
  template <class Run>
  void stretches(std::size_t s, std::int64_t begin, std::int64_t n, Run&& run) const {
    for (std::int64_t done = 0; done < n;) {
      const auto length = std::min(inner() - (begin + done) % inner(), n - done);
      run(offset(s, begin + done), done, length);
      done += length;
    }
  }

 private:
  static const View* side(const ElementItem& item, const ElementCall& call, std::size_t s) {
    const auto operand = s % kMaxOperands;
    if (operand >= call.operands) return nullptr;
    const auto& view = s < kMaxOperands ? item.operands[operand].view : item.operands[operand].stored;
    return view ? &view : nullptr;
  }

  std::array<std::int64_t, kMaxAxes> sizes_{};
  std::array<std::array<std::int64_t, kMaxAxes>, kSides> strides_{};
  std::size_t dimensions_ = 0;
};

void check(const ElementItem& item, const ElementCall& call) {
  for (std::size_t k = 0; k < call.operands; ++k) {
    const auto& [view, stored] = item.operands[k];
    if (!view) refuse(k, "has no memory");
    if (view.codec != Codec::none) {
      if (view.strides != nullptr || item.sizes.size() != 1 || view.scales == nullptr || view.chunk < 1 ||
          view.chunk > kMaxCodecChunk) {
        refuse(k, "is encoded, and is not packed and 1-D with chunks of 1 to 4096");
      }
      continue;
    }
    if (!is_floating(view.dtype))
      refuse(k, std::string("has dtype ") + at::toString(view.dtype) + ", not a floating one");
    if (stored && (view.dtype != at::ScalarType::Float ||
                   (stored.dtype != at::ScalarType::BFloat16 && stored.dtype != at::ScalarType::Half))) {
      refuse(k, "is a master that is not float32, or of something that is not bfloat16 or float16");
    }
    if (call.access[k] == Access::in || view.strides == nullptr) continue;
    for (std::size_t d = 0; d < item.sizes.size(); ++d) {
      if (item.sizes[d] > 1 && view.strides[d] == 0) refuse(k, "is written but expanded (stride 0)");
    }
  }
}

/// One item's loads, formula and stores over [begin, end).
template <class C>
class Walk {
 public:
  Walk(const ElementItem& item, const ElementCall& call) : item_(item), call_(call), space_(item, call) {
    for (std::size_t k = 0; k < call.operands; ++k) {
      if (item.operands[k].view.codec != Codec::none) codec_ = std::max(codec_, item.operands[k].view.chunk);
    }
  }

  template <class Body>
  void run(std::int64_t begin, std::int64_t end, std::array<std::array<C, kBuffer>, kMaxOperands>& buffers,
           Body&& body) {
    // Without conversions a stretch needs no cutting.
    const bool all_direct = space_.one_stretch(begin, end - begin) && [&] {
      for (std::size_t k = 0; k < call_.operands; ++k) {
        if (!direct(k) || item_.operands[k].stored) return false;
      }
      return true;
    }();
    const auto step = codec_ > 0 ? codec_ * std::max<std::int64_t>(1, kChunk / codec_) : kChunk;
    for (auto at = begin; at < end;) {
      const auto n = all_direct ? end - at : std::min(step, end - at);
      const bool one = space_.one_stretch(at, n);
      std::array<void*, kMaxOperands> rows{};
      std::array<bool, kMaxOperands> in_place{};
      for (std::size_t k = 0; k < call_.operands; ++k) {
        // A master that is only read is not brought up to date in place.
        in_place[k] = one && direct(k) && !(item_.operands[k].stored && call_.access[k] == Access::in);
        rows[k] = in_place[k] ? static_cast<void*>(static_cast<C*>(item_.operands[k].view.data) + space_.offset(k, at))
                              : static_cast<void*>(buffers[k].data());
        if (call_.access[k] != Access::out) load(k, at, n, static_cast<C*>(rows[k]), in_place[k]);
      }
      body(rows.data(), n);
      for (std::size_t k = 0; k < call_.operands; ++k) {
        if (call_.access[k] != Access::in) store(k, at, n, static_cast<const C*>(rows[k]), in_place[k]);
      }
      at += n;
    }
  }

 private:
  bool direct(std::size_t k) const {
    const auto& view = item_.operands[k].view;
    constexpr auto type = std::is_same_v<C, float> ? at::ScalarType::Float : at::ScalarType::Double;
    return view.codec == Codec::none && view.dtype == type && (space_.stride(k) == 1 || item_.numel == 1);
  }

  void load(std::size_t k, std::int64_t at, std::int64_t n, C* to, bool in_place) const {
    const auto& [view, stored] = item_.operands[k];
    if (view.codec != Codec::none) {
      each_code_chunk(view, at, n, [&](std::uint8_t* codes, float& scale, std::int64_t from, std::int64_t length) {
        decode_absmax(codes, scale, to + from, length);
      });
      return;
    }
    if (!in_place) {
      with_type(view.dtype, [&]<class T>(T) {
        const auto* data = static_cast<const T*>(view.data);
        const auto stride = space_.stride(k);
        space_.stretches(k, at, n, [&](std::int64_t offset, std::int64_t from, std::int64_t length) {
          const T* x = data + offset;
          if (stride == 1) {
            for (std::int64_t i = 0; i < length; ++i) to[from + i] = static_cast<C>(x[i]);
          } else {
            for (std::int64_t i = 0; i < length; ++i) to[from + i] = static_cast<C>(x[i * stride]);
          }
        });
      });
    }
    if (!stored) return;
    half(k, at, n, [&]<class T>(T* s, std::int64_t stride, std::int64_t from, std::int64_t length) {
      for (std::int64_t i = 0; i < length; ++i) {
        const auto held = static_cast<C>(static_cast<float>(s[i * stride]));
        const auto rounded = static_cast<C>(static_cast<float>(round_to<T>(to[from + i])));
        to[from + i] = rounded == held ? to[from + i] : held;
      }
    });
  }

  void store(std::size_t k, std::int64_t at, std::int64_t n, const C* x, bool in_place) const {
    const auto& [view, stored] = item_.operands[k];
    if (view.codec != Codec::none) {
      each_code_chunk(view, at, n, [&](std::uint8_t* codes, float& scale, std::int64_t from, std::int64_t length) {
        scale = encode_absmax(x + from, codes, length);
      });
      return;
    }
    if (!in_place) {
      with_type(view.dtype, [&]<class T>(T) {
        auto* data = static_cast<T*>(view.data);
        const auto stride = space_.stride(k);
        space_.stretches(k, at, n, [&](std::int64_t offset, std::int64_t from, std::int64_t length) {
          for (std::int64_t i = 0; i < length; ++i) data[offset + i * stride] = round_to<T>(x[from + i]);
        });
      });
    }
    if (!stored) return;
    half(k, at, n, [&]<class T>(T* s, std::int64_t stride, std::int64_t from, std::int64_t length) {
      for (std::int64_t i = 0; i < length; ++i) s[i * stride] = round_to<T>(x[from + i]);
    });
  }

  /// Calls visit(pointer, stride, from, length) over what is stored behind a master.
  template <class Visit>
  void half(std::size_t k, std::int64_t at, std::int64_t n, Visit&& visit) const {
    const auto& stored = item_.operands[k].stored;
    const auto side = kMaxOperands + k;
    const auto each = [&]<class T>(T* data) {
      space_.stretches(side, at, n, [&](std::int64_t offset, std::int64_t from, std::int64_t length) {
        visit(data + offset, space_.stride(side), from, length);
      });
    };
    if (stored.dtype == at::ScalarType::BFloat16) {
      each(static_cast<c10::BFloat16*>(stored.data));
    } else {
      each(static_cast<c10::Half*>(stored.data));
    }
  }

  template <class Visit>
  static void each_code_chunk(const View& view, std::int64_t at, std::int64_t n, Visit&& visit) {
    for (std::int64_t from = 0; from < n; from += view.chunk) {
      const auto length = std::min(view.chunk, n - from);
      visit(static_cast<std::uint8_t*>(view.data) + at + from, view.scales[(at + from) / view.chunk], from, length);
    }
  }

  const ElementItem& item_;
  const ElementCall& call_;
  Space space_;
  std::int64_t codec_ = 0;
};

/// Where cuts inside an item may lie: encoded chunks stay whole.
std::int64_t cut_unit(const ElementItem& item, const ElementCall& call) {
  std::int64_t unit = kCut;
  for (std::size_t k = 0; k < call.operands; ++k) {
    const auto& view = item.operands[k].view;
    if (view.codec != Codec::none) unit = view.chunk;
  }
  return unit;
}

template <class C>
void run_part(const ElementCall& call, std::int64_t first, std::int64_t last) {
  const KeepDenormals keep;
  alignas(64) std::array<std::array<C, kBuffer>, kMaxOperands> buffers;
  alignas(64) std::array<std::byte, kFormulaBytes> formula;
  Recording recording;
  Replay<C> replay;
  auto made = call.items;  // the item that the formula was made for
  std::int64_t at = 0;     // where the item begins in the cost of all
  ElementItem item;
  for (std::size_t i = 0; i < call.items && at < last; ++i) {
    const auto numel = call.numel(call.context, i);
    const auto cost = numel + kItemCost;
    const auto from = first - at - kItemCost;
    const auto to = last - at - kItemCost;
    at += cost;
    if (to <= 0 || from >= numel || numel == 0) continue;
    call.describe(call.context, i, item);
    // Both neighbours of a cut round it down to the same place.
    const auto unit = cut_unit(item, call);
    const auto begin = from <= 0 ? 0 : from / unit * unit;
    const auto end = to >= numel ? numel : to / unit * unit;
    if (begin >= end) continue;
    if (made == call.items || !call.same_numbers(call.context, made, i)) {
      if (call.replayed) {
        recording.clear();
        call.record(call.context, i, recording);
      } else {
        call.make(call.context, i, formula.data());
      }
      made = i;
    }
    Walk<C> walk(item, call);
    if (call.replayed) {
      walk.run(begin, end, buffers,
               [&](void* const* rows, std::int64_t n) { replay.run(recording, rows, call.gain, n); });
    } else {
      walk.run(begin, end, buffers,
               [&](void* const* rows, std::int64_t n) { call.loop(formula.data(), rows, call.gain, n); });
    }
  }
}

template <class C>
void run_as(const ElementCall& call) {
  std::int64_t total = 0;
  ElementItem item;
  for (std::size_t i = 0; i < call.items; ++i) {
    const auto numel = call.numel(call.context, i);
    total += numel + kItemCost;
    if (numel == 0) continue;
    call.describe(call.context, i, item);
    check(item, call);
  }
  const auto parts = std::clamp<std::int64_t>(total / kGrain, 1, at::get_num_threads());
  if (parts == 1) {
    run_part<C>(call, 0, total);
    return;
  }
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto part = begin; part < end; ++part) run_part<C>(call, total * part / parts, total * (part + 1) / parts);
  });
}

/// One item and a formula of its own.
template <class C, class Accesses, class Formula>
void run_one(const ElementItem& item, Formula formula) {
  struct Context {
    const ElementItem& item;
    Formula formula;
  } context{item, formula};
  ElementCall call;
  call.items = 1;
  call.operands = Accesses::size;
  std::copy(Accesses::all.begin(), Accesses::all.end(), call.access.begin());
  call.context = &context;
  call.numel = [](const void* c, std::size_t) { return static_cast<const Context*>(c)->item.numel; };
  call.describe = [](const void* c, std::size_t, ElementItem& out) { out = static_cast<const Context*>(c)->item; };
  call.same_numbers = [](const void*, std::size_t, std::size_t) { return true; };
  call.make = [](const void*, std::size_t, void*) {};
  call.wide = std::is_same_v<C, double>;
  call.loop = detail::best_loop<C, -1, Accesses, Formula>();
  run(call);
}

}  // namespace

bool has_vectors() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

void run(const ElementCall& call) {
  if (call.operands == 0 || call.operands > kMaxOperands)
    throw std::invalid_argument("elementwise: takes 1 to 8 operands");
  if (call.items == 0) return;
  if (call.wide) {
    run_as<double>(call);
  } else {
    run_as<float>(call);
  }
}

void adopt_writes(const View& master, const View& stored, std::span<const std::int64_t> sizes, std::int64_t numel) {
  ElementItem item{sizes, numel, {}};
  item.operands[0] = {master, stored};
  run_one<float, detail::Accesses<Access::inout>>(item, [](float&) {});
}

void copy_elements(const View& from, const View& to, std::span<const std::int64_t> sizes, std::int64_t numel) {
  ElementItem item{sizes, numel, {}};
  item.operands[0] = {from, {}};
  item.operands[1] = {to, {}};
  const auto copy = [](auto x, auto& y) { y = x; };
  using Both = detail::Accesses<Access::in, Access::out>;
  if (from.dtype == at::ScalarType::Double) {
    run_one<double, Both>(item, copy);
  } else {
    run_one<float, Both>(item, copy);
  }
}

}  // namespace switchyard::kernels
