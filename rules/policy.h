#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/diagnostics.h"

namespace switchyard {

/// Severities that a spec gives to warnings and notes, by code; nothing: they are not reported.
using Policy = std::map<std::string, std::optional<Severity>, std::less<>>;

/// The findings as the policy wants them. Errors are never changed; a warning or note made an error counts as one.
Diagnostics under_policy(const Policy& policy, const Diagnostics& found);

/// "off", "note", "warn", "error".
const std::vector<std::string>& policy_words();
/// Codes that a policy may name: those of warnings and notes.
std::vector<std::string> policy_codes();

}  // namespace switchyard
