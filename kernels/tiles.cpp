#include "kernels/tiles.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cmath>
#include <stdexcept>
#include <type_traits>

#if defined(__clang__)
#define SWITCHYARD_UNROLL _Pragma("clang loop unroll(full)")
#else
#define SWITCHYARD_UNROLL _Pragma("GCC unroll 16")
#endif

namespace switchyard::kernels {
namespace {

/// Four elements, for transposing. Specialised by hand: g++ 12 does not see a vector in one of a dependent type.
template <class T>
struct Four;
template <>
struct Four<float> {
  typedef float F __attribute__((vector_size(16)));
};
template <>
struct Four<double> {
  typedef double F __attribute__((vector_size(32)));
};

/// One element is a vector: the same loops without instructions of their own.
namespace portable {
#define SWITCHYARD_TARGET
#include "kernels/tiles.inc"

template <class S>
struct One {
  using T = S;
  using V = S;
  static constexpr int kLanes = 1, kRows = 4, kVectors = 16;
  static V load(const T* p) { return *p; }
  static void store(T* p, V x) { *p = x; }
  static V all(T x) { return x; }
  static V add(V a, V b) { return a + b; }
  static V mul(V a, V b) { return a * b; }
  static V fma(V a, V b, V c) { return std::fma(a, b, c); }
  static T fma1(T a, T b, T c) { return std::fma(a, b, c); }
};
#undef SWITCHYARD_TARGET
}  // namespace portable

#if defined(__x86_64__)
namespace avx2 {
#define SWITCHYARD_TARGET __attribute__((target("avx2,fma")))
#include "kernels/tiles.inc"
#define SWITCHYARD_INLINE __attribute__((target("avx2,fma"), always_inline)) static inline

struct Floats {
  using T = float;
  using V = __m256;
  static constexpr int kLanes = 8, kRows = 6, kVectors = 2;
  SWITCHYARD_INLINE V load(const T* p) { return _mm256_loadu_ps(p); }
  SWITCHYARD_INLINE void store(T* p, V x) { _mm256_storeu_ps(p, x); }
  SWITCHYARD_INLINE V all(T x) { return _mm256_set1_ps(x); }
  SWITCHYARD_INLINE V add(V a, V b) { return _mm256_add_ps(a, b); }
  SWITCHYARD_INLINE V mul(V a, V b) { return _mm256_mul_ps(a, b); }
  SWITCHYARD_INLINE V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
  SWITCHYARD_INLINE T fma1(T a, T b, T c) { return __builtin_fmaf(a, b, c); }
};

struct Doubles {
  using T = double;
  using V = __m256d;
  static constexpr int kLanes = 4, kRows = 6, kVectors = 2;
  SWITCHYARD_INLINE V load(const T* p) { return _mm256_loadu_pd(p); }
  SWITCHYARD_INLINE void store(T* p, V x) { _mm256_storeu_pd(p, x); }
  SWITCHYARD_INLINE V all(T x) { return _mm256_set1_pd(x); }
  SWITCHYARD_INLINE V add(V a, V b) { return _mm256_add_pd(a, b); }
  SWITCHYARD_INLINE V mul(V a, V b) { return _mm256_mul_pd(a, b); }
  SWITCHYARD_INLINE V fma(V a, V b, V c) { return _mm256_fmadd_pd(a, b, c); }
  SWITCHYARD_INLINE T fma1(T a, T b, T c) { return __builtin_fma(a, b, c); }
};
#undef SWITCHYARD_INLINE
#undef SWITCHYARD_TARGET
}  // namespace avx2

namespace avx512 {
#define SWITCHYARD_TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma")))
#include "kernels/tiles.inc"
#define SWITCHYARD_INLINE __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma"), always_inline)) static inline

struct Floats {
  using T = float;
  using V = __m512;
  static constexpr int kLanes = 16, kRows = 12, kVectors = 2;
  SWITCHYARD_INLINE V load(const T* p) { return _mm512_loadu_ps(p); }
  SWITCHYARD_INLINE void store(T* p, V x) { _mm512_storeu_ps(p, x); }
  SWITCHYARD_INLINE V all(T x) { return _mm512_set1_ps(x); }
  SWITCHYARD_INLINE V add(V a, V b) { return _mm512_add_ps(a, b); }
  SWITCHYARD_INLINE V mul(V a, V b) { return _mm512_mul_ps(a, b); }
  SWITCHYARD_INLINE V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
  SWITCHYARD_INLINE T fma1(T a, T b, T c) { return __builtin_fmaf(a, b, c); }
};

struct Doubles {
  using T = double;
  using V = __m512d;
  static constexpr int kLanes = 8, kRows = 12, kVectors = 2;
  SWITCHYARD_INLINE V load(const T* p) { return _mm512_loadu_pd(p); }
  SWITCHYARD_INLINE void store(T* p, V x) { _mm512_storeu_pd(p, x); }
  SWITCHYARD_INLINE V all(T x) { return _mm512_set1_pd(x); }
  SWITCHYARD_INLINE V add(V a, V b) { return _mm512_add_pd(a, b); }
  SWITCHYARD_INLINE V mul(V a, V b) { return _mm512_mul_pd(a, b); }
  SWITCHYARD_INLINE V fma(V a, V b, V c) { return _mm512_fmadd_pd(a, b, c); }
  SWITCHYARD_INLINE T fma1(T a, T b, T c) { return __builtin_fma(a, b, c); }
};
#undef SWITCHYARD_INLINE
#undef SWITCHYARD_TARGET
}  // namespace avx512
#endif

TilePath best_path() {
  if (tile_path_available(TilePath::avx512)) return TilePath::avx512;
  return tile_path_available(TilePath::avx2) ? TilePath::avx2 : TilePath::portable;
}

}  // namespace

bool tile_path_available(TilePath path) {
  switch (path) {
    case TilePath::automatic:
    case TilePath::portable:
      return true;
#if defined(__x86_64__)
    case TilePath::avx2:
      return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
    case TilePath::avx512:
      return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
             __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
             __builtin_cpu_supports("fma") != 0;
#endif
    default:
      return false;
  }
}

template <class T>
const Tiles<T>& tiles(TilePath path) {
  if (path == TilePath::automatic) path = best_path();
  if (!tile_path_available(path)) throw std::invalid_argument("tiles: the processor lacks the instructions");
#if defined(__x86_64__)
  constexpr bool single = std::is_same_v<T, float>;
  if (path == TilePath::avx512) return avx512::Set<std::conditional_t<single, avx512::Floats, avx512::Doubles>>::table;
  if (path == TilePath::avx2) return avx2::Set<std::conditional_t<single, avx2::Floats, avx2::Doubles>>::table;
#endif
  return portable::Set<portable::One<T>>::table;
}

template const Tiles<float>& tiles<float>(TilePath);
template const Tiles<double>& tiles<double>(TilePath);

}  // namespace switchyard::kernels
