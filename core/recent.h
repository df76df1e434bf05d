#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <utility>

namespace switchyard {

/// Remembers what was made of the last few keys. A model has many parameters and few different settings, shapes and
/// views, so comparing with those is much cheaper than making texts of them again. Key: copyable, with ==.
template <class Key, class Value>
class Recent {
 public:
  explicit Recent(std::function<Value(const Key&)> make) : make_(std::move(make)) {}

  /// Valid until the next call.
  const Value& of(const Key& key) {
    const auto known = std::find_if(known_.begin(), known_.end(), [&](const auto& one) { return one.first == key; });
    if (known != known_.end()) return known->second;
    constexpr std::size_t most = 16;
    if (known_.size() == most) known_.pop_back();
    known_.emplace_front(key, make_(key));
    return known_.front().second;
  }

 private:
  std::function<Value(const Key&)> make_;
  std::deque<std::pair<Key, Value>> known_;
};

}  // namespace switchyard
