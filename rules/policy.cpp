#include "rules/policy.h"

#include "rules/codes.h"

namespace switchyard {

Diagnostics under_policy(const Policy& policy, const Diagnostics& found) {
  if (policy.empty()) return found;
  Diagnostics out;
  for (const auto& item : found.items()) {
    const auto wish = item.severity == Severity::error ? policy.end() : policy.find(item.code);
    if (wish != policy.end() && !wish->second) continue;
    auto& copy = out.add(item.severity, item.code, item.message);
    copy = item;
    if (wish != policy.end()) copy.severity = *wish->second;
  }
  return out;
}

const std::vector<std::string>& policy_words() {
  static const std::vector<std::string> words = {"off", "note", "warn", "error"};
  return words;
}

std::vector<std::string> policy_codes() {
  std::vector<std::string> out;
  for (const auto& info : diagnostic_codes) {
    if (info.usual != Severity::error) out.emplace_back(info.code);
  }
  return out;
}

}  // namespace switchyard
