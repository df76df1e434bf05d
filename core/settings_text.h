#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>

#include "core/option.h"

namespace switchyard {

/// Remembers a text made of resolved options. A model has many parameters and few different settings, so comparing with
/// the last few is much cheaper than formatting again.
class SettingsText {
 public:
  explicit SettingsText(std::function<std::string(const OptionValues&)> make) : make_(std::move(make)) {}

  const std::string& of(const OptionValues& values) {
    for (const auto& [known, text] : known_) {
      if (known == values) return text;
    }
    constexpr std::size_t most = 16;
    if (known_.size() == most) known_.pop_back();
    known_.emplace_front(values, make_(values));
    return known_.front().second;
  }

 private:
  std::function<std::string(const OptionValues&)> make_;
  std::deque<std::pair<OptionValues, std::string>> known_;
};

}  // namespace switchyard
