#pragma once
/// Denormal floats must count whatever the caller's thread has set: FTZ or DAZ would make results depend on the thread.

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace switchyard::kernels {

/// While it lives, the calling thread neither flushes results to zero nor reads denormals as zero (x86 MXCSR bits 15
/// and 6); the state before is restored. One per worker thread, inside the parallel body. Elsewhere than on x86-64:
/// nothing.
class KeepDenormals {
 public:
#if defined(__x86_64__)
  KeepDenormals() : before_(_mm_getcsr()) {
    if ((before_ & kMask) != 0) _mm_setcsr(before_ & ~kMask);
  }
  ~KeepDenormals() {
    if ((before_ & kMask) != 0) _mm_setcsr(before_);
  }
#else
  KeepDenormals() = default;
#endif
  KeepDenormals(const KeepDenormals&) = delete;
  KeepDenormals& operator=(const KeepDenormals&) = delete;

 private:
  static constexpr unsigned kMask = 0x8040U;
  unsigned before_ = 0;
};

}  // namespace switchyard::kernels
