#include "kernels/adamw_chunk.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace switchyard::kernels {
namespace {

template <class C>
void scalar_rows(const AdamWRows<C>& x, std::int64_t n, const AdamWScalars<C>& s, AdamWStage stage) {
  for (std::int64_t i = 0; i < n; ++i) {
    if (stage != AdamWStage::update) {
      C g = x.grad[i];
      if (s.scaled) g = s.scale * g;
      if (s.negated) g = -g;
      const C difference = g - x.m[i];
      x.m[i] = s.small_w ? std::fma(s.w, difference, x.m[i]) : std::fma(-s.one_minus_w, difference, g);
      x.v[i] = std::fma(s.c * g, g, x.v[i] * s.beta2);
      // Written so that a NaN on either side wins, as in torch.maximum.
      if (x.vmax != nullptr) x.vmax[i] = (x.v[i] <= x.vmax[i] || x.vmax[i] != x.vmax[i]) ? x.vmax[i] : x.v[i];
    }
    if (stage == AdamWStage::moments) continue;
    const C root = stage == AdamWStage::update ? x.root[i] : std::sqrt(x.vmax != nullptr ? x.vmax[i] : x.v[i]);
    const C denominator = root / s.q + s.eps;
    const C kept = s.decays ? x.param[i] * s.keep : x.param[i];
    x.param[i] = kept + (s.step * x.m[i]) / denominator;
  }
}

#if defined(__x86_64__)

#define SWITCHYARD_AVX2 __attribute__((target("avx2,fma"), always_inline)) static inline

/// The same operations on eight floats or four doubles; every name is one IEEE operation.
struct Float8 {
  using C = float;
  using V = __m256;
  static constexpr std::int64_t kLanes = 8;
  SWITCHYARD_AVX2 V load(const C* p) { return _mm256_loadu_ps(p); }
  SWITCHYARD_AVX2 void store(C* p, V x) { _mm256_storeu_ps(p, x); }
  SWITCHYARD_AVX2 V all(C x) { return _mm256_set1_ps(x); }
  SWITCHYARD_AVX2 V add(V a, V b) { return _mm256_add_ps(a, b); }
  SWITCHYARD_AVX2 V sub(V a, V b) { return _mm256_sub_ps(a, b); }
  SWITCHYARD_AVX2 V mul(V a, V b) { return _mm256_mul_ps(a, b); }
  SWITCHYARD_AVX2 V div(V a, V b) { return _mm256_div_ps(a, b); }
  SWITCHYARD_AVX2 V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
  SWITCHYARD_AVX2 V root(V a) { return _mm256_sqrt_ps(a); }
  SWITCHYARD_AVX2 V negate(V a) { return _mm256_xor_ps(a, _mm256_set1_ps(-0.0F)); }
  SWITCHYARD_AVX2 V larger(V v, V top) {  // top where v <= top or top is NaN, else v
    const V keep = _mm256_or_ps(_mm256_cmp_ps(v, top, _CMP_LE_OQ), _mm256_cmp_ps(top, top, _CMP_UNORD_Q));
    return _mm256_blendv_ps(v, top, keep);
  }
};

struct Double4 {
  using C = double;
  using V = __m256d;
  static constexpr std::int64_t kLanes = 4;
  SWITCHYARD_AVX2 V load(const C* p) { return _mm256_loadu_pd(p); }
  SWITCHYARD_AVX2 void store(C* p, V x) { _mm256_storeu_pd(p, x); }
  SWITCHYARD_AVX2 V all(C x) { return _mm256_set1_pd(x); }
  SWITCHYARD_AVX2 V add(V a, V b) { return _mm256_add_pd(a, b); }
  SWITCHYARD_AVX2 V sub(V a, V b) { return _mm256_sub_pd(a, b); }
  SWITCHYARD_AVX2 V mul(V a, V b) { return _mm256_mul_pd(a, b); }
  SWITCHYARD_AVX2 V div(V a, V b) { return _mm256_div_pd(a, b); }
  SWITCHYARD_AVX2 V fma(V a, V b, V c) { return _mm256_fmadd_pd(a, b, c); }
  SWITCHYARD_AVX2 V root(V a) { return _mm256_sqrt_pd(a); }
  SWITCHYARD_AVX2 V negate(V a) { return _mm256_xor_pd(a, _mm256_set1_pd(-0.0)); }
  SWITCHYARD_AVX2 V larger(V v, V top) {
    const V keep = _mm256_or_pd(_mm256_cmp_pd(v, top, _CMP_LE_OQ), _mm256_cmp_pd(top, top, _CMP_UNORD_Q));
    return _mm256_blendv_pd(v, top, keep);
  }
};

/// Whole vectors of the rows; returns how many elements it did.
template <class L, class C = typename L::C>
__attribute__((target("avx2,fma"))) std::int64_t vector_rows(const AdamWRows<C>& x, std::int64_t n,
                                                             const AdamWScalars<C>& s, AdamWStage stage) {
  using V = typename L::V;
  const V scale = L::all(s.scale), w = L::all(s.w), back = L::all(-s.one_minus_w), c = L::all(s.c),
          beta2 = L::all(s.beta2);
  const V keep = L::all(s.keep), q = L::all(s.q), eps = L::all(s.eps), step = L::all(s.step);
  std::int64_t i = 0;
  for (; i + L::kLanes <= n; i += L::kLanes) {
    V m = L::load(x.m + i);
    V root;
    if (stage != AdamWStage::update) {
      V g = L::load(x.grad + i);
      if (s.scaled) g = L::mul(scale, g);
      if (s.negated) g = L::negate(g);
      const V difference = L::sub(g, m);
      m = s.small_w ? L::fma(w, difference, m) : L::fma(back, difference, g);
      L::store(x.m + i, m);
      V v = L::fma(L::mul(c, g), g, L::mul(L::load(x.v + i), beta2));
      L::store(x.v + i, v);
      if (x.vmax != nullptr) {
        v = L::larger(v, L::load(x.vmax + i));
        L::store(x.vmax + i, v);
      }
      if (stage == AdamWStage::moments) continue;
      root = L::root(v);
    } else {
      root = L::load(x.root + i);
    }
    const V denominator = L::add(L::div(root, q), eps);
    V p = L::load(x.param + i);
    if (s.decays) p = L::mul(p, keep);
    L::store(x.param + i, L::add(p, L::div(L::mul(step, m), denominator)));
  }
  return i;
}

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

#else

struct Float8 {};
struct Double4 {};

template <class L, class C>
std::int64_t vector_rows(const AdamWRows<C>&, std::int64_t, const AdamWScalars<C>&, AdamWStage) {
  return 0;
}

bool has_avx2() { return false; }

#endif

template <class L, class C>
void dispatch(const AdamWRows<C>& x, std::int64_t n, const AdamWScalars<C>& s, AdamWStage stage, bool vectors) {
  const std::int64_t done = vectors && has_avx2() ? vector_rows<L>(x, n, s, stage) : 0;
  const AdamWRows<C> tail{x.param + done,
                          x.grad + done,
                          x.m + done,
                          x.v + done,
                          x.vmax == nullptr ? nullptr : x.vmax + done,
                          x.root == nullptr ? nullptr : x.root + done};
  scalar_rows(tail, n - done, s, stage);
}

}  // namespace

void adamw_chunk(const AdamWRows<float>& rows, std::int64_t n, const AdamWScalars<float>& s, AdamWStage stage,
                 bool vectors) {
  dispatch<Float8>(rows, n, s, stage, vectors);
}
void adamw_chunk(const AdamWRows<double>& rows, std::int64_t n, const AdamWScalars<double>& s, AdamWStage stage,
                 bool vectors) {
  dispatch<Double4>(rows, n, s, stage, vectors);
}

}  // namespace switchyard::kernels
