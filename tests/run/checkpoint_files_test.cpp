#include <ATen/ATen.h>
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "core/run/composed_optimizer.h"
#include "core/run/tensor_file.h"
#include "tests/run/mixed_bench.h"
#include "tests/support/scratch.h"

using namespace switchyard;
using conformance::first_difference;
using testing::data_of;
using testing::index_of;
using testing::Scratch;

namespace fs = std::filesystem;

TEST_CASE("checkpoint: saving again replaces the old one and leaves no other file") {
  const testing::Threads one(1);
  const Scratch scratch;
  const MixedModel model;
  auto bench = model.bench();
  for (int step = 1; step <= 3; ++step) {
    bench.step(step);
    bench.optimizer().save(scratch.path("c"));
    bench.optimizer().save(
        scratch.path("c"));  // at the same step: must not write over the file that the index speaks of
    std::size_t files = 0;
    for (const auto& entry : fs::directory_iterator(scratch.path("c"))) {
      CHECK(entry.path().string().find(".tmp") == std::string::npos);
      ++files;
    }
    CHECK(files == 2);
    auto other = model.bench();
    other.optimizer().load(scratch.path("c"));
    CHECK(other.optimizer().applied_steps() == step);
  }
}

TEST_CASE("checkpoint: a folder that cannot be written is an error that names it") {
  const testing::Threads one(1);
  const Scratch scratch;
  const MixedModel model;
  auto bench = model.bench();
  testing::write_file(scratch.path("file"), "not a folder");
  CHECK(thrown_by<CheckpointError>([&] { bench.optimizer().save(scratch.path("file")); }).find(scratch.path("file")) !=
        std::string::npos);
  CHECK(thrown_by<CheckpointError>([&] { bench.optimizer().load(scratch.path("nothing")); }).find("nothing") !=
        std::string::npos);
  CHECK_FALSE(bench.optimizer().poisoned());
  CHECK(bench.step(1).applied);
}

TEST_CASE("checkpoint: damaged, cut and lying files are refused, and the live state stays") {
  const testing::Threads one(1);
  const Scratch scratch;
  const MixedModel model;
  auto source = model.bench();
  source.step(1);
  source.optimizer().save(scratch.path("good"));
  auto live = model.bench();
  live.step(5);
  live.optimizer().group("of_muon").set("momentum", 0.25);
  const auto before = live.outcome();
  const auto hash = live.optimizer().plan().plan_hash;
  const auto refused = [&](const std::string& what, const std::function<void(const std::string&)>& spoil) {
    const auto folder = scratch.path("bad");
    fs::remove_all(folder);
    fs::copy(scratch.path("good"), folder);
    spoil(folder);
    const auto said = thrown_by<CheckpointError>([&] { live.optimizer().load(folder); });
    INFO(what, ": ", said);
    CHECK(said != "nothing");
    CHECK(first_difference(live.outcome(), before) == "");
    CHECK(live.optimizer().applied_steps() == 1);
    CHECK(live.optimizer().plan().plan_hash == hash);
  };
  const auto data_size = fs::file_size(data_of(scratch.path("good")));
  const auto index_text = testing::read_file(index_of(scratch.path("good")));
  const auto cut = [](const std::string& path, std::size_t size) { fs::resize_file(path, size); };
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{7}, std::size_t{100}, std::size_t{data_size / 2}, std::size_t{data_size - 1}}) {
    refused("data cut to " + std::to_string(size), [&](const std::string& folder) { cut(data_of(folder), size); });
  }
  for (std::size_t size = 0; size < index_text.size() - 2; size += 1 + index_text.size() / 17) {
    refused("index cut to " + std::to_string(size), [&](const std::string& folder) { cut(index_of(folder), size); });
  }
  auto random = testing::random_engine(3);
  for (int trial = 0; trial < 20; ++trial) {
    const auto at = std::uniform_int_distribution<std::size_t>(0, data_size - 1)(random);
    const auto bit = std::uniform_int_distribution<int>(0, 7)(random);
    refused("data bit " + std::to_string(bit) + " of byte " + std::to_string(at), [&](const std::string& folder) {
      auto text = testing::read_file(data_of(folder));
      text[at] = static_cast<char>(text[at] ^ (1 << bit));
      testing::write_file(data_of(folder), text);
    });
  }
  for (int trial = 0; trial < 40; ++trial) {
    auto at = std::uniform_int_distribution<std::size_t>(0, index_text.size() - 1)(random);
    at = index_text.find_first_of("0123456789", at);
    if (at == std::string::npos) continue;
    refused("index digit at byte " + std::to_string(at), [&](const std::string& folder) {
      auto text = index_text;
      text[at] = text[at] == '9' ? '0' : static_cast<char>(text[at] + 1);
      testing::write_file(index_of(folder), text);
    });
  }
  refused("bytes after the end", [&](const std::string& folder) {
    testing::write_file(data_of(folder), testing::read_file(data_of(folder)) + "more");
  });
  refused("no data file", [&](const std::string& folder) { fs::remove(data_of(folder)); });
  refused("data elsewhere",
          [&](const std::string& folder) { testing::set_member(index_of(folder), "data", "../good/x.safetensors"); });
  refused("a later format",
          [&](const std::string& folder) { testing::set_member(index_of(folder), "switchyard_checkpoint", "2"); });
  refused("steps as text",
          [&](const std::string& folder) { testing::set_member(index_of(folder), "applied_steps", "\"one\""); });
  refused("negative steps",
          [&](const std::string& folder) { testing::set_member(index_of(folder), "applied_steps", "-1"); });
  refused("a rate below zero", [&](const std::string& folder) {
    auto text = index_text;
    const auto [begin, end] = testing::value_of(text, "lr", text.find("\"of_muon\""));
    testing::write_sealed(index_of(folder), text.replace(begin, end - begin, "-1.0"));
  });
  refused("a count below zero", [&](const std::string& folder) {
    auto tensors = source.optimizer().state();
    for (auto& [name, tensor] : tensors) {
      if (name == "embed.weight/count") tensor = at::full({}, -3, at::kLong);
    }
    save_tensors(data_of(folder), tensors);
    testing::set_member(index_of(folder), "checksum", TensorFile(data_of(folder)).checksum());
  });
  refused("a pickle",
          [&](const std::string& folder) { testing::write_file(index_of(folder), std::string("\x80\x02}q\x00.", 6)); });
  refused("a folder as index", [&](const std::string& folder) {
    fs::remove(index_of(folder));
    fs::create_directory(index_of(folder));
  });
}

TEST_CASE("checkpoint: a process killed while it saves leaves a checkpoint that loads") {
  const testing::Threads one(1);
  const Scratch scratch;
  const MixedModel model;
  auto bench = model.bench();
  bench.step(1);
  bench.optimizer().save(scratch.path("c"));
  auto random = testing::random_engine(5);
  int killed_inside = 0;
  for (int trial = 0; trial < 12; ++trial) {
    const auto delay = std::uniform_int_distribution<useconds_t>(0, 20000)(random);
    const auto child = ::fork();
    if (child == 0) {
      // One thread and no new kernels: saves copy and write only.
      for (;;) {
        try {
          bench.optimizer().save(scratch.path("c"));
        } catch (...) {
          ::_exit(1);
        }
      }
    }
    REQUIRE(child > 0);
    ::usleep(delay);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    killed_inside += WIFSIGNALED(status) ? 1 : 0;
    auto other = model.bench();
    other.optimizer().load(scratch.path("c"));
    CHECK(first_difference(other.outcome().state, bench.outcome().state) == "");
  }
  CHECK(killed_inside == 12);
  // Whatever they have left, the next save clears.
  bench.optimizer().save(scratch.path("c"));
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(scratch.path("c"))) names.push_back(entry.path().filename().string());
  INFO(names.size(), " files");
  CHECK(names.size() == 2);
}
