// Seconds and peak memory of saving and loading a checkpoint of many small parameters; each number is of one call.
//   usage: bench_load [PARAMETERS ELEMENTS [FOLDER]]   (default 100000 4, a new folder beside the system's temporary
//   ones)
// Peaks are what the process held at most during the call (VmHWM, set back before it), in MiB; `before` is what it held
// then: plan, tensors and state.
#include <ATen/ATen.h>
#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/run/composed_optimizer.h"

using namespace switchyard;

namespace {

/// A line of /proc/self/status in MiB: "VmRSS", "VmHWM".
double memory_mib(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(key + ":", 0) == 0) return std::atof(line.c_str() + key.size() + 1) / 1024;
  }
  return 0;
}

void measured(const char* what, const std::function<void()>& work) {
  ::malloc_trim(0);  // what earlier calls freed is not what this one holds
  std::ofstream("/proc/self/clear_refs") << "5";
  const auto before = memory_mib("VmRSS");
  const auto begin = std::chrono::steady_clock::now();
  work();
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("%-22s %8.2f s   before %8.1f MiB   peak %8.1f MiB   more %8.1f MiB\n", what, seconds, before,
              memory_mib("VmHWM"), memory_mib("VmHWM") - before);
  std::fflush(stdout);
}

std::vector<NamedTensor> tensors_of(int parameters, std::int64_t elements, const std::string& stem) {
  std::vector<NamedTensor> out;
  for (int i = 0; i < parameters; ++i) {
    const auto name = stem + std::to_string(i / 10) + ".block.linear_" + std::to_string(i % 10) + ".weight";
    out.push_back({name, at::ones({elements}).set_requires_grad(true)});
  }
  return out;
}

ComposedOptimizer optimizer_of(const std::vector<NamedTensor>& tensors) {
  ParameterGroup group{.id = "all", .plugin = "adamw"};
  for (const auto& named : tensors) group.parameters.push_back(named.name);
  return ComposedOptimizer({group}, 0.1, tensors, builtin_registry());
}

std::int64_t bytes_in(const std::string& folder) {
  std::int64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    bytes += static_cast<std::int64_t>(entry.file_size());
  return bytes;
}

void run(int parameters, std::int64_t elements, const std::string& folder) {
  auto tensors = tensors_of(parameters, elements, "model.layers.");
  std::unique_ptr<ComposedOptimizer> source;
  measured("make", [&] { source = std::make_unique<ComposedOptimizer>(optimizer_of(tensors)); });
  for (const auto& named : tensors) named.tensor.mutable_grad() = at::ones_like(named.tensor.detach());
  source->step();
  source->zero_grad();
  if (!std::filesystem::exists(folder + "/index.json")) {
    measured("save", [&] { source->save(folder); });
    measured("save over it", [&] { source->save(folder); });
  }
  std::printf("files: %.1f MiB, state: %.1f MiB\n", static_cast<double>(bytes_in(folder)) / (1 << 20),
              static_cast<double>(source->state_bytes()) / (1 << 20));
  measured("load", [&] { source->load(folder); });
  source.reset();

  // One name changed: refused, with the name.
  tensors[static_cast<std::size_t>(parameters) / 2].name += "_renamed";
  auto other = std::make_unique<ComposedOptimizer>(optimizer_of(tensors));
  measured("load, one name changed", [&] {
    try {
      other->load(folder);
    } catch (const CheckpointError& error) {
      std::printf("%s\n", error.what());
    }
  });
}

}  // namespace

int main(int argc, char** argv) {
  const int parameters = argc > 1 ? std::atoi(argv[1]) : 100000;
  const std::int64_t elements = argc > 2 ? std::atoll(argv[2]) : 4;
  auto folder = (std::filesystem::temp_directory_path() / "switchyard-load-XXXXXX").string();
  if (argc > 3) {
    folder = argv[3];
  } else if (::mkdtemp(folder.data()) == nullptr) {
    std::fprintf(stderr, "cannot make a folder %s\n", folder.c_str());
    return 1;
  }
  int status = 0;
  try {
    run(parameters, elements, folder);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    status = 1;
  }
  if (argc <= 3) std::filesystem::remove_all(folder);
  return status;
}
