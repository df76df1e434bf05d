#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace switchyard {

/// Findings made one by one and told together: those of one cause become one line, which names up to three of the
/// things concerned, of more the first and their number: "`a` and 36 more: the checkpoint has float32, the plan
/// float64". Causes keep the order in which they were met.
class ProblemList {
 public:
  /// `name` as it is shown: a parameter's in back quotes. Findings have one cause if their texts are equal, or, where
  /// each text has details of its own, if they are given the same `cause`; then the first text is shown.
  void add(std::string name, std::string text, const std::string& cause = "") {
    const auto [at, is_new] = position_.emplace(cause.empty() ? text : cause, causes_.size());
    if (is_new) causes_.push_back({{}, std::move(text), 0});
    auto& one = causes_[at->second];
    if (one.names.size() < shown_names) one.names.push_back(std::move(name));
    ++one.count;
  }

  bool empty() const { return causes_.empty(); }

  /// One line a cause; of more than `limit` causes the last line says how many are left out.
  std::vector<std::string> lines(std::size_t limit = 50) const {
    std::vector<std::string> out;
    for (const auto& one : causes_) {
      if (out.size() == limit) {
        out.push_back(fmt::format("and {} more of other causes", causes_.size() - limit));
        break;
      }
      auto names = one.names.front();
      if (one.count > shown_names) {
        names += fmt::format(" and {} more", one.count - 1);
      } else {
        for (std::size_t i = 1; i < one.names.size(); ++i) names += ", " + one.names[i];
      }
      out.push_back(names + ": " + one.text);
    }
    return out;
  }

  /// The lines, each with `before` in front.
  std::string text(const std::string& before = "\n  ") const {
    std::string out;
    for (const auto& line : lines()) out += before + line;
    return out;
  }

 private:
  static constexpr std::size_t shown_names = 3;
  struct Cause {
    std::vector<std::string> names;
    std::string text;
    std::size_t count = 0;
  };
  std::unordered_map<std::string, std::size_t> position_;
  std::vector<Cause> causes_;
};

}  // namespace switchyard
