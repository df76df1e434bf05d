// Two threads write one variable without a lock. Built only under ThreadSanitizer, where it must be reported: the same
// flags, the same LibTorch and the same suppressions as for the other tests, so their silence means something.
#include <ATen/ATen.h>

#include <cstdio>
#include <thread>

int main() {
  long counter = at::ones({1}).numel();  // keeps LibTorch loaded: it is what could blind the sanitizer
  auto count = [&counter] {
    for (int i = 0; i < 10000; ++i) ++counter;
  };
  std::thread first(count);
  std::thread second(count);
  first.join();
  second.join();
  std::printf("%ld\n", counter);
  return 0;
}
