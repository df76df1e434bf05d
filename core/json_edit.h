#pragma once

#include <vector>

#include "core/json.h"

namespace switchyard {

/// For documents put together from others: values with other content, at the same place of their source.
Json with_members(const Json& object, std::vector<Json::Member> members);
Json with_items(const Json& array, std::vector<Json> items);

/// `value` and everything inside it, at the place of `at`.
Json placed(Json value, const Json& at);

}  // namespace switchyard
