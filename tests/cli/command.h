#pragma once

// Runs the command as a process with its own streams and exit status. Loading LibTorch is most of what a start of the
// built program costs, so run() forks this one, which has loaded it, and does there what main does; run_in_shell()
// starts the built program through a shell, as a user does.

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "cli/command_line.h"

namespace cli_test {

struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "switchyard_cli_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
    path = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
    return (path / name).string();
  }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

struct Result {
  int exit = -1;
  std::string out;
  std::string err;

  /// stdout as the one JSON document that it must be (nlohmann refuses anything behind it).
  nlohmann::json json() const { return nlohmann::json::parse(out); }
  bool says(const std::string& text) const { return out.find(text) != std::string::npos; }
  bool complains(const std::string& text) const { return err.find(text) != std::string::npos; }
};

inline std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const auto c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

inline int exit_status(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

inline Result run(const std::vector<std::string>& arguments) {
  const Folder folder;
  std::fflush(nullptr);
  const auto child = ::fork();
  if (child == 0)
    [&]() noexcept {  // what gets out of main ends the process, and must not get into the tests here
      if (std::freopen((folder / "out").c_str(), "w", stdout) == nullptr ||
          std::freopen((folder / "err").c_str(), "w", stderr) == nullptr)
        std::_Exit(99);
      std::_Exit(switchyard::cli::print(switchyard::cli::run(arguments)));
    }();
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) throw std::runtime_error("cannot start a process");
  return {exit_status(status), read_text(folder.path / "out"), read_text(folder.path / "err")};
}

/// `before` and `behind` are put there in the line: "NO_COLOR=1", "| head -1".
inline Result run_in_shell(const std::vector<std::string>& arguments, const std::string& before = "",
                           const std::string& behind = "") {
  const Folder folder;
  std::string line = before + " " + quoted(SWITCHYARD_COMMAND);
  for (const auto& argument : arguments) line += " " + quoted(argument);
  line += " 2>" + quoted(folder / "err") + " " + behind;
  std::FILE* pipe = ::popen(line.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + line);
  Result result;
  std::array<char, 4096> buffer;
  for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    result.out.append(buffer.data(), got);
  result.exit = exit_status(::pclose(pipe));
  result.err = read_text(folder.path / "err");
  return result;
}

}  // namespace cli_test
