#pragma once

#include <string>

#include "core/json.h"
#include "core/plan.h"
#include "core/registry.h"

namespace switchyard {

/// A lock: the plan document with one more member, "lock": {"sha256", "gradients", "state"}. Its bytes depend on the
/// plan alone: it holds no diagnostics, since those name files and lines. `state` are the lines of state_lines(), so
/// that a later comparison can say which parameter a different state hash comes from.
Json lock_json(const Plan& plan, const Registry& registry);

/// The text of a lock file.
std::string lock_text(const Plan& plan, const Registry& registry);

/// The checksum that a lock must carry: SHA-256 of the document on one line without "sha256". Line ends and
/// indentation do not count.
std::string lock_checksum(const Json& document);

}  // namespace switchyard
