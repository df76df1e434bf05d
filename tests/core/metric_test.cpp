#include "core/metric.h"

#include <doctest/doctest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"

using namespace switchyard;

namespace {

struct TemporaryFile {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("switchyard_metric_test_" + std::to_string(::getpid()));
  TemporaryFile() { std::filesystem::remove(path); }
  ~TemporaryFile() { std::filesystem::remove(path); }
  std::vector<nlohmann::json> lines() const {
    std::ifstream in(path);
    std::vector<nlohmann::json> out;
    for (std::string line; std::getline(in, line);) out.push_back(nlohmann::json::parse(line));
    return out;
  }
};

/// While it lives files cannot grow beyond `bytes`.
class FileLimit {
 public:
  explicit FileLimit(std::uintmax_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small = {static_cast<rlim_t>(bytes), before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~FileLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_ = {};
};

}  // namespace

TEST_CASE("metric: one object a line after a header, and a second sink goes on without another header") {
  const TemporaryFile file;
  {
    const auto sink = open_jsonl_sink(file.path.string());
    sink->write({1,
                 "hidden",
                 {{"lr", 0.02}, {"grad_norm", std::numeric_limits<double>::quiet_NaN()}},
                 {{"skip", "a \"reason\"\n"}}});
    sink->flush();
    CHECK(file.lines().size() == 2);  // flush means readable now
  }
  open_jsonl_sink(file.path.string())->write({2, "", {}, {}});
  const auto lines = file.lines();
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == nlohmann::json::parse(R"({"switchyard_metrics": 1})"));
  CHECK(lines[1] == nlohmann::json::parse(
                        R"({"step": 1, "group": "hidden", "lr": 0.02, "grad_norm": "NaN", "skip": "a \"reason\"\n"})"));
  CHECK(lines[2] == nlohmann::json::parse(R"({"step": 2, "group": ""})"));
}

TEST_CASE("metric: a file that cannot be written is an error that names it") {
  const auto path = (std::filesystem::temp_directory_path() / "no such folder" / "m.jsonl").string();
  try {
    open_jsonl_sink(path);
    FAIL("no error");
  } catch (const OptimizerError& error) {
    CHECK(std::string(error.what()).find(path) != std::string::npos);
  }
}

TEST_CASE("metric: a full disk is an error, not silence") {
  if (!std::filesystem::exists("/dev/full")) return;
  CHECK_THROWS_AS(
      [] {
        const auto sink = open_jsonl_sink("/dev/full");
        sink->write({1, "", {}, {}});
        sink->flush();
      }(),
      OptimizerError);
}

TEST_CASE("metric: lines that a full disk refused come whole and in order when there is room again") {
  const TemporaryFile file;
  {
    const auto sink = open_jsonl_sink(file.path.string());
    sink->write({1, "", {}, {}});
    sink->flush();
    {
      const FileLimit limit(std::filesystem::file_size(file.path) + 10);  // room for a part of a line
      sink->write({2, "", {}, {}});
      CHECK_THROWS_AS(sink->flush(), OptimizerError);
      sink->write({3, "", {}, {}});
      CHECK_THROWS_AS(sink->flush(), OptimizerError);
    }
    sink->write({4, "", {}, {}});
    sink->flush();
  }
  const auto lines = file.lines();
  REQUIRE(lines.size() == 5);
  for (std::size_t i = 1; i < lines.size(); ++i) CHECK(lines[i]["step"] == i);
}

TEST_CASE("metric: what a disk refuses is kept up to a million bytes; more is refused, line by line") {
  const TemporaryFile file;
  std::size_t refused = 0;
  {
    const auto sink = open_jsonl_sink(file.path.string());
    const FileLimit limit(0);
    for (int step = 1; step <= 30; ++step) {
      try {
        sink->write({step, std::string(50'000, 'x'), {}, {}});
      } catch (const OptimizerError&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 8);
  CHECK(refused < 15);
}
