#include "core/remembered.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

namespace switchyard {

namespace {

class Memory {
 public:
  Memory(OptionsCheck check, std::vector<std::string> options)
      : check_(std::move(check)), options_(std::move(options)) {}

  std::string of(const OptionValues& values) {
    auto key = key_of(values);
    const std::lock_guard lock(mutex_);
    const auto known = std::find_if(known_.begin(), known_.end(), [&](const auto& one) { return one.first == key; });
    if (known != known_.end()) return known->second;
    auto said = check_(values);
    constexpr std::size_t most = 64;
    if (known_.size() == most) known_.pop_back();
    known_.emplace_front(std::move(key), said);
    return said;
  }

 private:
  OptionValues key_of(const OptionValues& values) const {
    if (options_.empty()) return values;
    OptionValues key;
    for (const auto& entry : values) {
      if (std::find(options_.begin(), options_.end(), entry.first) != options_.end()) key.push_back(entry);
    }
    return key;
  }

  OptionsCheck check_;
  std::vector<std::string> options_;
  std::mutex mutex_;
  std::deque<std::pair<OptionValues, std::string>> known_;  ///< the latest first
};

}  // namespace

OptionsCheck remembered(OptionsCheck check, std::vector<std::string> options) {
  if (!check) return check;
  return [memory = std::make_shared<Memory>(std::move(check), std::move(options))](const OptionValues& values) {
    return memory->of(values);
  };
}

}  // namespace switchyard
