#pragma once
/// Folders for tests that write, and small edits of the files in them.

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "core/sha256.h"

namespace switchyard::testing {

/// A new folder in the system's place for temporary files, removed at the end.
class Scratch {
 public:
  Scratch() {
    auto name = (std::filesystem::temp_directory_path() / "switchyard-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder " + name);
    root_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string path(const std::string& name = "") const { return name.empty() ? root_ : root_ + "/" + name; }

 private:
  std::string root_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

inline void write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  if (!out) throw std::runtime_error("cannot write " + path);
}

/// Begin and end of the value of the first `"key":` in a JSON text: a string with its quotes, or a number or word.
inline std::pair<std::size_t, std::size_t> value_of(const std::string& text, const std::string& key,
                                                    std::size_t from = 0) {
  const auto found = text.find("\"" + key + "\":", from);
  if (found == std::string::npos) throw std::runtime_error("no member " + key);
  auto begin = found + key.size() + 3;
  while (text[begin] == ' ') ++begin;
  auto end = text[begin] == '"' ? text.find('"', begin + 1) + 1 : text.find_first_of(",}\n", begin);
  if (text[begin] == '[') end = text.find(']', begin) + 1;
  return {begin, end};
}

/// The text of a member, without quotes.
inline std::string member(const std::string& text, const std::string& key) {
  const auto [begin, end] = value_of(text, key);
  return text[begin] == '"' ? text.substr(begin + 1, end - begin - 2) : text.substr(begin, end - begin);
}

/// Writes an edited checkpoint index with the checksum that its text has now: an edit that only its meaning gives away.
inline void write_sealed(const std::string& path, std::string text) {
  const auto [begin, end] = value_of(text, "index_sha256");
  text.replace(begin, end - begin, "\"" + std::string(64, '0') + "\"");
  const auto checksum = sha256(text);
  write_file(path, text.replace(begin + 1, checksum.size(), checksum));
}

/// Replaces the first value of a key in a checkpoint index; `raw` is JSON, or a bare text for members that are strings.
inline void set_member(const std::string& path, const std::string& key, const std::string& raw) {
  auto text = read_file(path);
  const auto [begin, end] = value_of(text, key);
  text.replace(begin, end - begin, text[begin] == '"' && raw.front() != '"' ? "\"" + raw + "\"" : raw);
  write_sealed(path, text);
}

/// Removes every `"key": value` of the members `options` and `planned_options` from an index: a checkpoint of an older
/// build.
inline void remove_option(const std::string& path, const std::string& key) {
  auto text = read_file(path);
  for (const std::string holder : {"\"options\":", "\"planned_options\":"}) {
    for (auto at = text.find(holder); at != std::string::npos; at = text.find(holder, at + 1)) {
      const auto open = text.find('{', at);
      const auto close = text.find('}', open);
      auto inside = text.substr(open + 1, close - open - 1);
      const auto found = inside.find("\"" + key + "\":");
      if (found == std::string::npos) continue;
      auto [begin, end] = value_of(inside, key);
      if (end > inside.size()) end = inside.size();
      auto stop = inside.find(',', end);
      if (stop != std::string::npos && inside.find_first_not_of(" \n", end) == stop) {
        inside.erase(found, stop + 1 - found);
      } else {
        const auto comma = inside.rfind(',', found);
        const auto from = comma == std::string::npos ? found : comma;
        inside.erase(from, end - from);
      }
      text.replace(open + 1, close - open - 1, inside);
    }
  }
  write_sealed(path, text);
}

/// The files of a checkpoint in this folder.
inline std::string index_of(const std::string& folder) { return folder + "/index.json"; }
inline std::string data_of(const std::string& folder) {
  return folder + "/" + member(read_file(index_of(folder)), "data");
}

}  // namespace switchyard::testing
