#include <algorithm>

#include "core/json_edit.h"
#include "rules/extends.h"

namespace switchyard {

namespace {

using Members = std::vector<Json::Member>;

/// How a value goes over another: which part of a spec it is.
enum class Part : unsigned char { spec, entries_optimizer, entries_schedule, optimizer, schedule, object, list, value };

Part part_of(Part parent, const std::string& key) {
  if (parent == Part::entries_optimizer) return Part::optimizer;
  if (parent == Part::entries_schedule) return Part::schedule;
  if (parent == Part::object || parent == Part::optimizer) return Part::object;
  if (parent != Part::spec) return Part::value;
  if (key == "optimizers") return Part::entries_optimizer;
  if (key == "schedules") return Part::entries_schedule;
  if (key == "rules" || key == "overrides") return Part::list;
  return Part::object;
}

const Json* id_of(const Json& entry) {
  const auto* id = entry.find("id");
  return id != nullptr && id->is(Json::Kind::string) ? id : nullptr;
}

bool is_disabled(const Json& entry) {
  const auto* flag = entry.find("disabled");
  return flag != nullptr && flag->is(Json::Kind::boolean) && flag->as_bool();
}

Json merge_lists(const Json& over, const Json& under) {
  std::vector<Json> items;
  std::vector<const Json*> replacing;
  for (const auto& entry : over.items()) {
    const auto* id = id_of(entry);
    const bool known = id != nullptr && std::any_of(under.items().begin(), under.items().end(), [&](const Json& other) {
                         const auto* known_id = id_of(other);
                         return known_id != nullptr && known_id->as_string() == id->as_string();
                       });
    if (known) {
      replacing.push_back(&entry);
    } else {
      items.push_back(entry);
    }
  }
  for (const auto& entry : under.items()) {
    const auto* id = id_of(entry);
    const auto* taken = &entry;
    for (const auto* other : replacing) {
      if (id != nullptr && id_of(*other)->as_string() == id->as_string()) taken = other;
    }
    if (taken == &entry || !is_disabled(*taken)) items.push_back(*taken);
  }
  return with_items(over, std::move(items));
}

/// True if the entry says by itself what it is, so that nothing of the one below belongs to it.
bool replaces(const Json& over, const Json& under, Part part) {
  if (part == Part::schedule) return over.find("kind") != nullptr;
  if (part != Part::optimizer) return false;
  const auto differs = [&](const char* key) {
    const auto* mine = over.find(key);
    const auto* other = under.find(key);
    return mine != nullptr && (other == nullptr || dump_json(*mine) != dump_json(*other));
  };
  return differs("plugin") || differs("like");
}

Json merge(const Json& over, const Json& under, Part part) {
  if (part == Part::list && over.is(Json::Kind::array) && under.is(Json::Kind::array)) return merge_lists(over, under);
  const bool objects = over.is(Json::Kind::object) && under.is(Json::Kind::object);
  if (!objects || part == Part::value || part == Part::list || replaces(over, under, part)) return over;
  Members members;
  const auto excluded = [&](const std::string& key) {
    return part == Part::optimizer &&
           ((key == "lr" && over.find("lr_scale") != nullptr) || (key == "lr_scale" && over.find("lr") != nullptr));
  };
  for (const auto& below : under.members()) {
    if (over.find(below.key) == nullptr && !excluded(below.key)) members.push_back(below);
  }
  for (const auto& member : over.members()) {
    members.push_back(member);
    if (const auto* below = under.find(member.key))
      members.back().value = merge(member.value, *below, part_of(part, member.key));
  }
  return with_members(over, std::move(members));
}

}  // namespace

Json merged(const Json& over, const Json& under) { return merge(over, under, Part::spec); }

}  // namespace switchyard
