#include "kernels/squares_of_many.h"

#include "kernels/denormals.h"
#include "kernels/exact_sum_detail.h"

#include <ATen/Parallel.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <string>

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kItemCost = 64;      // what an item costs beside its elements, in elements
constexpr std::int64_t kGrain = 64 * 1024;  // elements worth a thread
constexpr std::int64_t kBuffer = 2048;      // elements converted at a time
constexpr std::int64_t kFewElements = 32;   // below this integers are quicker than a window

/// An item's memory as rows of equal length and inner stride.
struct Walk {
  std::array<std::int64_t, kMaxDimensions> sizes;  // the first `dimensions` of them
  std::array<std::int64_t, kMaxDimensions> strides;
  std::size_t dimensions = 0;

  explicit Walk(const SquaresItem& item) {
    if (item.sizes.size() > kMaxDimensions) throw std::invalid_argument("add_squares_of: too many dimensions");
    if (item.view.strides == nullptr) {
      push(item.numel, 1);
      return;
    }
    // Order does not matter to a sum: by stride, so that dense memory becomes one row whatever its order.
    std::array<std::size_t, kMaxDimensions> order{};
    std::size_t used = 0;
    for (std::size_t d = 0; d < item.sizes.size(); ++d) {
      if (item.sizes[d] != 1) order[used++] = d;
    }
    std::sort(order.begin(), order.begin() + used,
              [&](std::size_t a, std::size_t b) { return item.view.strides[a] > item.view.strides[b]; });
    for (std::size_t i = 0; i < used; ++i) push(item.sizes[order[i]], item.view.strides[order[i]]);
    if (dimensions == 0) push(1, 1);
  }

  void push(std::int64_t size, std::int64_t stride) {
    if (dimensions > 0 && strides[dimensions - 1] == size * stride) {
      sizes[dimensions - 1] *= size;
      strides[dimensions - 1] = stride;
      return;
    }
    sizes[dimensions] = size;
    strides[dimensions++] = stride;
  }

  /// Calls visit(offset, stride, length) for the stretches of elements [begin, end).
  template <class Visit>
  void stretches(std::int64_t begin, std::int64_t end, Visit&& visit) const {
    const auto inner = sizes[dimensions - 1];
    while (begin < end) {
      auto row = begin / inner;
      const auto column = begin % inner;
      const auto length = std::min(inner - column, end - begin);
      auto offset = column * strides[dimensions - 1];
      for (auto d = dimensions - 1; d-- > 0;) {
        offset += (row % sizes[d]) * strides[d];
        row /= sizes[d];
      }
      visit(offset, strides[dimensions - 1], length);
      begin += length;
    }
  }
};

void add_values(const float* values, std::int64_t n, ExactSum& sum) {
  if (n < kFewElements) {
    detail::add_bins(values, n, sum);
    sum.normalize();
  } else {
    add_squares(values, n, sum);
  }
}
void add_values(const double* values, std::int64_t n, ExactSum64& sum) { add_squares(values, n, sum); }

/// Elements [begin, end) of an item whose memory holds T, summed as C.
template <class T, class C, class Sum>
void add_range(const SquaresItem& item, std::int64_t begin, std::int64_t end, Sum& sum) {
  const Walk walk(item);
  const auto* data = static_cast<const T*>(item.view.data);
  alignas(64) std::array<C, kBuffer> buffer;
  std::int64_t held = 0;
  const auto flush = [&] {
    if (held > 0) add_values(buffer.data(), held, sum);
    held = 0;
  };
  walk.stretches(begin, end, [&](std::int64_t offset, std::int64_t stride, std::int64_t length) {
    if constexpr (std::is_same_v<T, C>) {
      if (stride == 1 && (length >= kBuffer || walk.dimensions == 1)) {
        add_values(data + offset, length, sum);
        return;
      }
    }
    for (std::int64_t done = 0; done < length;) {
      const auto take = std::min(kBuffer - held, length - done);
      for (std::int64_t i = 0; i < take; ++i)
        buffer[static_cast<std::size_t>(held + i)] = static_cast<C>(data[offset + (done + i) * stride]);
      held += take;
      done += take;
      if (held == kBuffer) flush();
    }
  });
  flush();
}

/// What one thread has added to the group it is at; given to all when it goes on to another.
struct Mine {
  SquaresSums sums;
  std::size_t group = 0;
  bool any = false;
};

template <class Sum>
void count_only(Sum& into, const Sum& from) {
  into.n_inf += from.n_inf;
  into.n_nan += from.n_nan;
}

void add_part(SquaresItem& item, std::int64_t begin, std::int64_t end, SquaresSums& to) {
  const auto seen = [](const SquaresSums& s) { return s.narrow.n_inf + s.narrow.n_nan + s.wide.n_inf + s.wide.n_nan; };
  const auto before = seen(to);
  switch (item.view.dtype) {
    case at::ScalarType::Float:
      add_range<float, float>(item, begin, end, to.narrow);
      break;
    case at::ScalarType::BFloat16:
      add_range<c10::BFloat16, float>(item, begin, end, to.narrow);
      break;
    case at::ScalarType::Half:
      add_range<c10::Half, float>(item, begin, end, to.narrow);
      break;
    default:
      add_range<double, double>(item, begin, end, to.wide);
      to.has_wide = true;
  }
  if (seen(to) != before) std::atomic_ref<char>(item.nonfinite).store(1, std::memory_order_relaxed);
}

/// Only what is not finite: another rank adds the squares. That float64 was seen counts too.
void count_part(SquaresItem& item, std::int64_t begin, std::int64_t end, SquaresSums& to) {
  SquaresSums replica;
  add_part(item, begin, end, replica);
  count_only(to.narrow, replica.narrow);
  count_only(to.wide, replica.wide);
  to.has_wide = to.has_wide || replica.has_wide;
}

}  // namespace

void add_squares_of(std::span<SquaresItem> items, std::span<SquaresSums> sums) {
  std::int64_t total = 0;
  for (const auto& item : items) {
    const auto type = item.view.dtype;
    if (type != at::ScalarType::Float && type != at::ScalarType::Double && type != at::ScalarType::BFloat16 &&
        type != at::ScalarType::Half) {
      throw std::invalid_argument(std::string("add_squares_of: dtype ") + at::toString(type) +
                                  " is not a floating type");
    }
    if (item.group >= sums.size()) throw std::invalid_argument("add_squares_of: an item of no group");
    total += item.numel + kItemCost;
  }
  const auto parts = std::clamp<std::int64_t>(total / kGrain, 1, at::get_num_threads());
  std::mutex mutex;
  const auto run_part = [&](std::int64_t part) {
    const KeepDenormals keep;
    const auto first = total * part / parts;
    const auto last = total * (part + 1) / parts;
    Mine mine;
    const auto give = [&] {
      if (!mine.any) return;
      const std::lock_guard lock(mutex);
      auto& all = sums[mine.group];
      all.narrow += mine.sums.narrow;
      if (mine.sums.has_wide) all.wide += mine.sums.wide;
      all.has_wide = all.has_wide || mine.sums.has_wide;
      mine = {};
    };
    std::int64_t at = 0;  // where the item begins in the cost of all
    for (auto& item : items) {
      const auto cost = item.numel + kItemCost;
      // An item's elements lie at the end of its cost; both neighbours of a cut compute the same border.
      const auto begin = std::clamp<std::int64_t>(first - at - kItemCost, 0, item.numel);
      const auto end = std::clamp<std::int64_t>(last - at - kItemCost, 0, item.numel);
      at += cost;
      if (begin >= end) {
        if (at - cost >= last) break;
        continue;
      }
      if (mine.any && mine.group != item.group) give();
      mine.group = item.group;
      mine.any = true;
      if (item.counts) {
        add_part(item, begin, end, mine.sums);
      } else {
        count_part(item, begin, end, mine.sums);
      }
    }
    give();
  };
  if (parts == 1) {
    run_part(0);
    return;
  }
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto part = begin; part < end; ++part) run_part(part);
  });
}

}  // namespace switchyard::kernels
