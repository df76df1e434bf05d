#include "rules/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "rules/meant_key.h"

namespace switchyard {

namespace {

constexpr std::size_t most_shown_value = 60;
constexpr std::size_t most_shown_text = 80;
constexpr std::size_t most_suggested = 64;  // a key longer than this is not a typing mistake

std::string cut(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string(text);
  auto end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

std::string range_text(std::int64_t low, std::int64_t high) {
  if (low == std::numeric_limits<std::int64_t>::min() && high == std::numeric_limits<std::int64_t>::max())
    return "an integer";
  if (high == std::numeric_limits<std::int64_t>::max()) return fmt::format("an integer >= {}", low);
  return fmt::format("an integer from {} to {}", low, high);
}

bool is_text_number(const std::string& text) {
  char* end = nullptr;
  std::strtod(text.c_str(), &end);
  return !text.empty() && end == text.c_str() + text.size();
}

}  // namespace

std::optional<Node> Node::child(std::string_view key) const {
  for (const auto& member : json_->members()) {
    if (member.key == key) return Node(*this, member);
  }
  return std::nullopt;
}

std::string Node::pointer() const {
  if (documents_ != nullptr && parent_ != nullptr)
    return documents_->pointer_at(member_ != nullptr ? member_->key_span() : json_->span());
  if (parent_ == nullptr) return "";
  return parent_->pointer() + "/" + (member_ != nullptr ? pointer_token(member_->key) : std::to_string(index_));
}

std::string shown(const Json& value) {
  if (value.is(Json::Kind::array) || value.is(Json::Kind::object)) {
    if (value.size() > 20) return fmt::format("{} of {} values", value.kind_name(), value.size());
  }
  return cut(dump_json(value), most_shown_value);
}
std::string shown(std::string_view text) {
  std::string clean;
  for (const char c : text.substr(0, most_shown_text + 4))
    clean += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return cut(clean, most_shown_text);
}

std::string did_you_mean(std::string_view given, const std::vector<std::string>& candidates) {
  if (given.size() > most_suggested) return "";
  const auto near = nearest(given, candidates);
  return near.empty() ? "" : fmt::format("did you mean `{}`?", near);
}

std::string listed(const std::vector<std::string>& values) { return fmt::format("{}", fmt::join(values, ", ")); }

Diagnostic& Reader::error(std::string code, std::string message, const Place& place) {
  const auto name = variable_at(place.span);
  const auto* variable = name.empty() ? nullptr : variables_->find(name);
  if (!name.empty() && (variable == nullptr || variable->broken)) {
    unheard_ = {};
    return unheard_;
  }
  auto& finding = diagnostics_.error(std::move(code), std::move(message), place);
  if (!name.empty()) finding.related.push_back({fmt::format("`${}` has its value here", name), variable->place});
  return finding;
}

std::string_view Reader::source_of(const Span& span) const {
  const auto found = sources_ == nullptr ? Sources::const_iterator() : sources_->find(span.file);
  return sources_ == nullptr || found == sources_->end() ? text_ : std::string_view(found->second);
}

std::string_view Reader::variable_at(const Span& span) const {
  return variables_ == nullptr ? std::string_view() : variables_->reference_at(span);
}

void Reader::unsupported(const LaterFeature& feature, const Place& place) {
  auto& finding = error(feature.code, fmt::format("`{}` is not supported by this build yet", feature.name), place);
  finding.label = "known, but not built in";
  finding.help = feature.instead;
}

void Reader::wrong_type(const Node& node, const std::string& what, const std::string& expected) {
  const auto& json = node.json();
  const bool scalar = !json.is(Json::Kind::array) && !json.is(Json::Kind::object) && !json.is(Json::Kind::null);
  auto& finding =
      error("SWY-1010",
            fmt::format("{} must be {}, got {}{}", what, expected, json.kind_name(), scalar ? " " + shown(json) : ""),
            node.place());
  finding.label = "expected " + expected;
  if (json.is(Json::Kind::string) && is_text_number(json.as_string()) &&
      (expected.find("integer") != std::string::npos || expected.find("number") != std::string::npos)) {
    finding.help = fmt::format("write {} without quotes", json.as_string());
  }
}

bool Reader::object(const Node& node, const Spot& spot, const std::function<std::vector<std::string>()>& options) {
  if (!node.json().is(Json::Kind::object)) {
    wrong_type(node, node.key().empty() ? spot.what : fmt::format("`{}`", shown(node.key())), "an object");
    return false;
  }
  for (const auto& member : node.json().members()) {
    if (std::find(spot.keys.begin(), spot.keys.end(), member.key) != spot.keys.end()) continue;
    const Node child(node, member);
    if (const auto* feature = spot.later_key(member.key)) {
      unsupported(*feature, child.key_place());
      continue;
    }
    auto& finding =
        error("SWY-1011", fmt::format("unknown key `{}` in {}", shown(member.key), spot.what), child.key_place());
    finding.label = "not a key of " + spot.what;
    MeantKey meant;
    if (member.key.size() <= most_suggested)
      meant = meant_key(member.key, spot, node.json(), options ? options() : std::vector<std::string>());
    finding.help = std::move(meant.help);
    if (!meant.key.empty()) meant_[&node.json()].push_back(std::move(meant.key));
    finding.help += fmt::format("{}(keys: {})", finding.help.empty() ? "" : "   ", listed(spot.keys));
  }
  return true;
}

bool Reader::array(const Node& node, const std::string& what, std::size_t at_least) {
  if (!node.json().is(Json::Kind::array)) {
    wrong_type(node, what, "an array");
    return false;
  }
  if (node.json().size() >= at_least) return true;
  error("SWY-1019", fmt::format("{} is empty", what), node.place()).label =
      fmt::format("expected at least {}", at_least);
  return false;
}

std::optional<std::string> Reader::text(const Node& node, const std::string& what) {
  if (node.json().is(Json::Kind::string)) return node.json().as_string();
  wrong_type(node, what, "a string");
  return std::nullopt;
}

std::optional<std::string> Reader::id(const Node& node, const std::string& what) {
  auto value = text(node, what);
  if (!value) return std::nullopt;
  const bool control = std::any_of(value->begin(), value->end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (!value->empty() && value->size() <= 200 && !control) return value;
  error("SWY-1013", fmt::format("{} must have 1 to 200 bytes and no control characters", what), node.place());
  return std::nullopt;
}

std::optional<bool> Reader::boolean(const Node& node, const std::string& what) {
  if (node.json().is(Json::Kind::boolean)) return node.json().as_bool();
  wrong_type(node, what, "true or false");
  return std::nullopt;
}

std::optional<std::int64_t> Reader::integer(const Node& node, const std::string& what, std::int64_t low,
                                            std::int64_t high) {
  const auto& json = node.json();
  const auto expected = range_text(low, high);
  if (json.is(Json::Kind::real)) {
    const double value = json.as_double();
    const bool whole = !json.overflowed_integer() && std::abs(value) < 1e15 && std::floor(value) == value;
    auto& finding =
        error(json.overflowed_integer() ? "SWY-1013" : "SWY-1010",
              fmt::format("{} must be {}, got {}", what, expected,
                          json.overflowed_integer() ? "an integer beyond 64 bits" : "the number " + shown(json)),
              node.place());
    finding.label = "expected " + expected;
    if (whole) finding.help = fmt::format("write {}", static_cast<std::int64_t>(value));
    return std::nullopt;
  }
  if (!json.is(Json::Kind::integer)) {
    wrong_type(node, what, expected);
    return std::nullopt;
  }
  const auto value = json.as_int();
  if (value >= low && value <= high) return value;
  auto& finding = error("SWY-1013", fmt::format("{} must be {}, got {}", what, expected, value), node.place());
  finding.label = "expected " + expected;
  finding.help = fmt::format("the nearest legal value is {}", std::clamp(value, low, high));
  return std::nullopt;
}

std::optional<double> Reader::number(const Node& node, const std::string& what, const Interval& interval) {
  const auto& json = node.json();
  const auto range = to_string(interval);
  const auto expected = range == "any number" ? "a number" : "a number " + range;
  if (!json.is_number()) {
    wrong_type(node, what, expected);
    return std::nullopt;
  }
  const double value = json.as_double() + 0.0;  // no negative zero
  const auto span = json.span();
  const auto source = source_of(span);
  const auto written =
      span.offset + span.length <= source.size() ? source.substr(span.offset, span.length) : std::string_view();
  if (value == 0 && written.substr(0, 1) != "\"" &&
      written.substr(0, written.find_first_of("eE")).find_first_of("123456789") != std::string_view::npos) {
    error("SWY-1013", fmt::format("{} is too small for a double: {}", what, shown(written)), node.place()).help =
        "write 0";
    return std::nullopt;
  }
  if (std::isfinite(value) && interval.contains(value)) return value;
  auto& finding = error("SWY-1013", fmt::format("{} must be {}, got {}", what, expected, shown(json)), node.place());
  finding.label = "expected " + expected;
  return std::nullopt;
}

std::optional<std::string> Reader::choice(const Node& node, const std::string& what,
                                          const std::vector<std::string>& legal) {
  auto value = text(node, what);
  if (!value || std::find(legal.begin(), legal.end(), *value) != legal.end()) return value;
  auto& finding = error("SWY-1013", fmt::format("{} must be one of {}; got `{}`", what, listed(legal), shown(*value)),
                        node.place());
  finding.label = "expected one of " + listed(legal);
  finding.help = did_you_mean(*value, legal);
  return std::nullopt;
}

bool Reader::meant(const Node& object, std::string_view key) const {
  const auto found = meant_.find(&object.json());
  return found != meant_.end() && std::find(found->second.begin(), found->second.end(), key) != found->second.end();
}

std::optional<Node> Reader::require(const Node& object, std::string_view key, const std::string& what) {
  auto found = object.child(key);
  if (!found && !meant(object, key)) {
    auto place = object.key().empty() ? object.place() : object.key_place();
    if (object.key().empty()) place.span.length = std::min<std::size_t>(place.span.length, 1);
    error("SWY-1012", fmt::format("{} lacks `{}`", what, key), place).help = fmt::format("add \"{}\"", key);
  }
  return found;
}

bool Reader::version(const Node& object, std::string_view key, const std::string& what) {
  const auto node = require(object, key, what);
  if (!node) return false;
  const auto& json = node->json();
  if (json.is(Json::Kind::integer) && json.as_int() == 1) return true;
  auto& finding =
      error("SWY-1014", fmt::format("`{}` is the version of the format and must be 1, got {}", key, shown(json)),
            node->place());
  finding.label = "expected 1";
  finding.help = fmt::format("write \"{}\": 1", key);
  return false;
}

Place Reader::inside(const Node& string_node, std::size_t offset, std::size_t length) const {
  auto place = string_node.place();
  if (!variable_at(place.span).empty()) return place;
  const auto text = source_of(place.span);
  const auto end = std::min(place.span.offset + place.span.length, text.size());
  auto at = place.span.offset + 1;
  std::size_t decoded = 0;
  auto begin = end;
  auto finish = end;
  while (at < end && decoded <= offset + length) {
    if (decoded >= offset && begin == end) begin = at;
    if (decoded >= offset + length) {
      finish = at;
      break;
    }
    if (text[at] != '\\') {
      ++at;
      ++decoded;
    } else if (at + 1 < end && text[at + 1] == 'u') {
      const auto code = std::strtoul(std::string(text.substr(at + 2, 4)).c_str(), nullptr, 16);
      const bool pair = code >= 0xD800 && code < 0xDC00;
      decoded += pair ? 4 : code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
      at += pair ? 12 : 6;
    } else {
      at += 2;
      ++decoded;
    }
  }
  if (begin >= end) return place;
  place.span.offset = begin;
  place.span.length = std::max<std::size_t>(1, std::min(finish, end) - begin);
  return place;
}

}  // namespace switchyard
