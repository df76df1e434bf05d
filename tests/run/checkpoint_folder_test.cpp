#include "core/run/checkpoint_folder.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <set>

#include "core/run/composed_optimizer.h"
#include "tests/run/mixed_bench.h"
#include "tests/support/scratch.h"

using namespace switchyard;
using conformance::first_difference;
using testing::data_of;
using testing::index_of;
using testing::Scratch;

namespace fs = std::filesystem;

namespace {

std::set<std::string> files_in(const std::string& folder) {
  std::set<std::string> out;
  for (const auto& entry : fs::directory_iterator(folder)) out.insert(entry.path().filename().string());
  return out;
}

/// While it lives no file of the process can grow beyond a few bytes: a full disk.
class SmallFiles {
 public:
  explicit SmallFiles(bool on) : on_(on) {
    if (!on_) return;
    before_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &limit_);
    const rlimit small = {100, limit_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallFiles() {
    if (!on_) return;
    ::setrlimit(RLIMIT_FSIZE, &limit_);
    std::signal(SIGXFSZ, before_);
  }
  SmallFiles(const SmallFiles&) = delete;
  SmallFiles& operator=(const SmallFiles&) = delete;

 private:
  bool on_;
  rlimit limit_ = {};
  void (*before_)(int) = SIG_DFL;
};

std::set<std::string> checkpoint_files(const std::string& folder) {
  return {"index.json", fs::path(data_of(folder)).filename().string()};
}

}  // namespace

TEST_CASE("checkpoint folder: the next save clears what killed ones have left, and nothing else") {
  const testing::Threads one(1);
  const Scratch scratch;
  const auto folder = scratch.path("c");
  const MixedModel model;
  auto bench = model.bench();
  bench.step(1);
  bench.optimizer().save(folder);
  const auto hash = fs::path(data_of(folder)).filename().string().substr(8, 8);
  const std::set<std::string> left = {"state-1-" + hash + ".1.safetensors",
                                      "state-20-0123abcd.safetensors",
                                      "state-20-0123abcd.17.safetensors",
                                      "state-3-0123abcd.safetensors.4711.tmp",
                                      "state-3-0123abcd.2.safetensors.4711.tmp",
                                      "index.json.4711.tmp",
                                      "save.lock"};
  const std::set<std::string> foreign = {"model.safetensors",
                                         "state-best.safetensors",
                                         "state-1-0123abcd.safetensors.bak",
                                         "state-1-0123abcdef.safetensors",
                                         "state-1-0123ABCD.safetensors",
                                         "state--0123abcd.safetensors",
                                         "state-1-0123abcd.x.safetensors",
                                         "notes.4711.tmp",
                                         "index.json.old.tmp",
                                         "index.json.tmp"};
  for (const auto& name : left) testing::write_file(folder + "/" + name, "half");
  for (const auto& name : foreign) testing::write_file(folder + "/" + name, "mine");
  fs::create_directory(folder + "/state-9-0123abcd.safetensors");
  bench.step(2);
  bench.optimizer().save(folder);
  auto expected = checkpoint_files(folder);
  expected.insert(foreign.begin(), foreign.end());
  expected.insert("state-9-0123abcd.safetensors");
  CHECK(files_in(folder) == expected);
  auto other = model.bench();
  other.optimizer().load(folder);
  CHECK(other.optimizer().applied_steps() == 2);
}

TEST_CASE("checkpoint folder: a save whose index cannot be put in place leaves the old data") {
  const testing::Threads one(1);
  const Scratch scratch;
  const auto folder = scratch.path("c");
  const MixedModel model;
  auto bench = model.bench();
  bench.step(1);
  bench.optimizer().save(folder);
  const auto data = testing::read_file(data_of(folder));
  // A folder where the new index is to be renamed to: everything before that step works.
  const auto index = testing::read_file(index_of(folder));
  fs::remove(index_of(folder));
  fs::create_directories(index_of(folder) + "/inside");
  bench.step(2);
  const auto said = thrown_by<CheckpointError>([&] { bench.optimizer().save(folder); });
  CHECK(said.find("index.json") != std::string::npos);
  fs::remove_all(index_of(folder));
  testing::write_file(index_of(folder), index);
  CHECK(testing::read_file(data_of(folder)) == data);
  CHECK_FALSE(bench.optimizer().poisoned());
  bench.optimizer().save(folder);
  CHECK(files_in(folder) == checkpoint_files(folder));
}

TEST_CASE("checkpoint folder: a second writer is refused while the first one saves, and nothing is touched") {
  const testing::Threads one(1);
  const Scratch scratch;
  const auto folder = scratch.path("c");
  const MixedModel model;
  auto bench = model.bench();
  bench.step(1);
  bench.optimizer().save(folder);
  bench.step(2);
  {
    const CheckpointFolder first(folder);
    testing::write_file(folder + "/state-2-0123abcd.safetensors.1.tmp", "being written");
    const auto before = files_in(folder);
    const auto said = thrown_by<CheckpointError>([&] { bench.optimizer().save(folder); });
    INFO(said);
    CHECK(said.find("another writer") != std::string::npos);
    CHECK(said.find(folder) != std::string::npos);
    CHECK(files_in(folder) == before);
  }
  CHECK_FALSE(bench.optimizer().poisoned());
  bench.optimizer().save(folder);
  CHECK(files_in(folder) == checkpoint_files(folder));
}

TEST_CASE("checkpoint folder: a process that is killed with the lock does not keep the next one out") {
  const testing::Threads one(1);
  const Scratch scratch;
  const auto folder = scratch.path("c");
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const auto child = ::fork();
  if (child == 0) {
    try {
      const CheckpointFolder held(folder);
      if (::write(ready[1], "x", 1) != 1) ::_exit(2);
      for (;;) ::pause();
    } catch (...) {
      ::_exit(1);
    }
  }
  REQUIRE(child > 0);
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  ::close(ready[0]);
  ::close(ready[1]);
  CHECK(thrown_by<CheckpointError>([&] { const CheckpointFolder second(folder); }) != "nothing");
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(files_in(folder) == std::set<std::string>{"save.lock"});
  CHECK(thrown_by<CheckpointError>([&] { const CheckpointFolder second(folder); }) == "nothing");
  CHECK(files_in(folder).empty());
}

TEST_CASE("checkpoint folder: a disk that becomes full ends the save on all ranks, and the old checkpoint stays") {
  const Scratch scratch;
  const auto folder = scratch.path("c");
  const MixedModel model;
  for (const int ranks : {1, 3}) {
    fs::remove_all(folder);
    std::vector<std::string> said(static_cast<std::size_t>(ranks));
    ThreadWorld world(ranks);
    world.run([&](Communicator& communicator) {
      auto bench = model.bench(&communicator);
      bench.step(1);
      bench.optimizer().save(folder);
      bench.step(2);
      const auto before = bench.outcome();
      {
        const SmallFiles limit(communicator.rank() == 0);
        said[static_cast<std::size_t>(communicator.rank())] =
            thrown_by<CheckpointError>([&] { bench.optimizer().save(folder); });
      }
      CHECK(first_difference(bench.outcome(), before) == "");
      bench.step(3);
      bench.optimizer().load(folder);
      CHECK(bench.optimizer().applied_steps() == 1);
    });
    for (const auto& text : said) CHECK(text.find("cannot write") != std::string::npos);
    CHECK(files_in(folder) == checkpoint_files(folder));
  }
}

TEST_CASE("checkpoint folder: on several ranks a refused save is refused on all, and the run goes on") {
  const Scratch scratch;
  const MixedModel model;
  testing::write_file(scratch.path("file"), "not a folder");
  std::vector<std::string> said(3);
  std::vector<std::string> changed(3);
  ThreadWorld world(3);
  world.run([&](Communicator& communicator) {
    const auto rank = static_cast<std::size_t>(communicator.rank());
    auto bench = model.bench(&communicator);
    bench.step(1);
    said[rank] = thrown_by<CheckpointError>([&] { bench.optimizer().save(scratch.path("file")); });
    bench.step(2);
    bench.optimizer().save(scratch.path("c"));
    const auto before = bench.outcome();
    bench.optimizer().load(scratch.path("c"));
    changed[rank] = first_difference(bench.outcome(), before);
  });
  for (const auto& text : said) CHECK(text.find(scratch.path("file")) != std::string::npos);
  for (const auto& text : changed) CHECK(text == "");
}
