#pragma once
/// Denormal floats must count whatever the caller's thread has set: FTZ or DAZ would make results depend on the thread.

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace switchyard::kernels {

/// While it lives, the calling thread neither flushes results to zero nor reads denormals as zero (x86-64: MXCSR bits
/// 15 and 6; AArch64: FPCR bit 24, which is both); the state before is restored. One per worker thread, inside the
/// parallel body. On other processors: nothing.
class KeepDenormals {
 public:
  KeepDenormals() : before_(state()) {
    if ((before_ & kMask) != 0) set(before_ & ~kMask);
  }
  ~KeepDenormals() {
    if ((before_ & kMask) != 0) set(before_);
  }
  KeepDenormals(const KeepDenormals&) = delete;
  KeepDenormals& operator=(const KeepDenormals&) = delete;

 private:
#if defined(__x86_64__)
  static constexpr std::uint64_t kMask = 0x8040;
  static std::uint64_t state() { return _mm_getcsr(); }
  static void set(std::uint64_t value) { _mm_setcsr(static_cast<unsigned>(value)); }
#elif defined(__aarch64__)
  static constexpr std::uint64_t kMask = std::uint64_t{1} << 24;
  static std::uint64_t state() {
    std::uint64_t value = 0;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value));
    return value;
  }
  static void set(std::uint64_t value) { __asm__ volatile("msr fpcr, %0" : : "r"(value)); }
#else
  static constexpr std::uint64_t kMask = 0;
  static std::uint64_t state() { return 0; }
  static void set(std::uint64_t) {}
#endif
  std::uint64_t before_;
};

}  // namespace switchyard::kernels
