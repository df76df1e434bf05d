// The laws without a test program: doctest's assertions, called outside of a test case, report to a handler of ours.
// With its own doctest, so that a program needs nothing but the library.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <sstream>

#include "core/diagnostics.h"
#include "tests/support/conformance.h"

namespace switchyard::conformance {

namespace {

/// Failures of the law that runs; assertions come from any thread.
struct Failures {
  std::mutex mutex;
  std::vector<std::string> texts;

  void add(std::string text) {
    const std::scoped_lock lock(mutex);
    texts.push_back(std::move(text));
  }
};
Failures* failures = nullptr;

void take_failure(const doctest::AssertData& data) {
  std::ostringstream text;
  const auto decomposed = std::string(data.m_decomp.c_str());
  text << data.m_expr << (decomposed.empty() ? "" : " is " + decomposed);
  if (data.m_threw) text << ", threw " << data.m_exception.c_str();
  for (int i = 0; i < doctest::IReporter::get_num_active_contexts(); ++i) {
    text << "\n      ";
    doctest::IReporter::get_active_contexts()[i]->stringify(&text);
  }
  failures->add(text.str());
}

/// What a law says of a plugin, over all machines that make a difference; empty if it holds.
std::vector<std::string> broken(const Law& law, const Registry& registry, const OptimizerDescriptor& descriptor) {
  Failures found;
  failures = &found;
  try {
    INFO("last run: ", last_run());
    for (const auto& machine : machines_of(descriptor)) law.holds(Subject(registry, descriptor, machine));
  } catch (const std::exception& error) {
    found.add(fmt::format("threw {}\n      last run: {}", error.what(), last_run()));
  } catch (...) {  // what a REQUIRE throws after it has reported
    if (found.texts.empty()) found.add("threw something that is not a std::exception");
  }
  failures = nullptr;
  return std::move(found.texts);
}

std::vector<std::string> names_of_laws() {
  std::vector<std::string> out;
  for (const auto& law : laws()) out.emplace_back(law.name);
  return out;
}

/// "" if a waiver can be used, else why not.
std::string unfit(const Waiver& waiver, const std::vector<std::string>& plugins) {
  const auto known = [&](const std::vector<std::string>& names, const std::string& name, const char* what) {
    if (std::find(names.begin(), names.end(), name) != names.end()) return std::string();
    const auto near = nearest(name, names);
    return fmt::format("`{}` is no {}{}", name, what, near.empty() ? "" : "; did you mean `" + near + "`?");
  };
  if (const auto why = known(names_of_laws(), waiver.law, "law"); !why.empty()) return why;
  if (const auto why = known(plugins, waiver.plugin, "plugin that is checked"); !why.empty()) return why;
  return waiver.reason.empty() ? "it has no reason" : "";
}

}  // namespace

int check_plugins(const Registry& registry, const std::vector<std::string>& plugins,
                  const std::vector<Waiver>& waivers) {
  doctest::Context context;
  const char* seed = std::getenv("SWITCHYARD_TEST_SEED");
  context.setOption("rand-seed", seed != nullptr ? std::atoi(seed) : 1);
  context.setAsDefaultForAssertsOutOfTestCases();
  context.setAssertHandler(take_failure);
  std::printf("seed %u (repeat with SWITCHYARD_TEST_SEED)\n", doctest::getContextOptions()->rand_seed);
  int passed = 0;
  int failed = 0;
  const auto fail = [&](const std::string& what, const std::string& why) {
    ++failed;
    std::printf("FAILED  %s\n    %s\n", what.c_str(), why.c_str());
  };
  for (const auto& waiver : waivers) {
    if (const auto why = unfit(waiver, plugins); !why.empty())
      fail(fmt::format("the waiver of {} for {}", waiver.law, waiver.plugin), why);
  }
  for (const auto& name : plugins) {
    const auto* descriptor = registry.find(name);
    if (descriptor == nullptr || !descriptor->make) {
      fail(name, "there is no such plugin that runs in the registry");
      continue;
    }
    for (const auto& law : laws()) {
      const auto what = fmt::format("{}: {} ({})", name, law.name, law.says);
      const auto waiver = std::find_if(waivers.begin(), waivers.end(), [&](const Waiver& one) {
        return one.plugin == name && law.name == one.law && !one.reason.empty();
      });
      const auto found = broken(law, registry, *descriptor);
      if (waiver != waivers.end() && found.empty()) {
        fail(what, "it is waived and holds: take the waiver away");
      } else if (waiver != waivers.end()) {
        std::printf("waived  %s\n    %s\n", what.c_str(), waiver->reason.c_str());
      } else if (!found.empty()) {
        constexpr std::size_t most = 3;
        std::string why;
        for (std::size_t i = 0; i < std::min(found.size(), most); ++i) why += (i == 0 ? "" : "\n    ") + found[i];
        if (found.size() > most) why += fmt::format("\n    and {} more", found.size() - most);
        fail(what, why);
      } else {
        ++passed;
        std::printf("ok      %s\n", what.c_str());
      }
    }
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace switchyard::conformance
