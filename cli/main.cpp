#include <cstdlib>
#include <string>
#include <vector>

#include "cli/command_line.h"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  const int status = switchyard::cli::print(switchyard::cli::run(arguments));
  // Everything is written and flushed. Destroying LibTorch's registries would take longer than most commands do.
  std::_Exit(status);
}
