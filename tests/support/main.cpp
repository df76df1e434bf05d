// The main of every test program. Beyond doctest's own: prints the seed of random trials (a test reads it as
// doctest::getContextOptions()->rand_seed), and fails when a filter selects no test case, because a ctest entry that
// has come to match nothing would pass for ever.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>

namespace {

bool ran_something = false;
unsigned seed_used = 0;

struct Listener : doctest::IReporter {
  explicit Listener(const doctest::ContextOptions& options) { seed_used = options.rand_seed; }
  void report_query(const doctest::QueryData&) override { ran_something = true; }
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats& stats) override {
    ran_something = ran_something || stats.numTestCasesPassingFilters > 0;
  }
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

REGISTER_LISTENER("selection", 1, Listener);

}  // namespace

int main(int argc, char** argv) {
  doctest::Context context;
  const char* seed = std::getenv("SWITCHYARD_TEST_SEED");
  context.setOption("rand-seed", seed != nullptr ? std::atoi(seed) : 1);
  context.applyCommandLine(argc, argv);
  const int result = context.run();
  if (context.shouldExit()) return result;
  if (!ran_something) {
    std::fprintf(stderr, "no test case matches the filters\n");
    return 2;
  }
  std::printf("seed %u (repeat with SWITCHYARD_TEST_SEED=%u)\n", seed_used, seed_used);
  return result;
}
