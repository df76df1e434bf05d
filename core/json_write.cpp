#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "core/json.h"

namespace switchyard {

std::string shortest(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char buffer[40];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, result.ptr};
}

std::string pointer_token(std::string_view key) {
  std::string out;
  for (const auto c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

namespace {

void dump_string(std::string& out, std::string_view text) {
  out += '"';
  for (const auto c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  out += '"';
}

void dump_real(std::string& out, double number) {
  if (!std::isfinite(number)) {
    dump_string(out, shortest(number));
    return;
  }
  auto text = shortest(number);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  out += text;
}

/// One line; `comma` and `colon` are the separators with or without a space.
void dump_flat(std::string& out, const Json& value, std::string_view comma, std::string_view colon) {
  const char* separator = "";
  const auto separate = [&] {
    if (*separator != 0) out += comma;
    separator = ",";
  };
  switch (value.kind()) {
    case Json::Kind::null:
      out += "null";
      return;
    case Json::Kind::boolean:
      out += value.as_bool() ? "true" : "false";
      return;
    case Json::Kind::integer:
      out += std::to_string(value.as_int());
      return;
    case Json::Kind::real:
      dump_real(out, value.as_double());
      return;
    case Json::Kind::string:
      dump_string(out, value.as_string());
      return;
    case Json::Kind::array:
      out += '[';
      for (const auto& item : value.items()) {
        separate();
        dump_flat(out, item, comma, colon);
      }
      out += ']';
      return;
    case Json::Kind::object:
      out += '{';
      for (const auto& member : value.members()) {
        separate();
        dump_string(out, member.key);
        out += colon;
        dump_flat(out, member.value, comma, colon);
      }
      out += '}';
      return;
  }
}

void dump_indented(std::string& out, const Json& value, std::size_t step, std::size_t margin) {
  constexpr std::size_t columns = 110;
  const auto begin = out.size();
  dump_flat(out, value, ", ", ": ");
  const bool container = value.is(Json::Kind::array) || value.is(Json::Kind::object);
  if (!container || value.size() == 0 || out.size() - begin + margin <= columns) return;
  out.resize(begin);
  const bool object = value.is(Json::Kind::object);
  out += object ? '{' : '[';
  for (std::size_t i = 0; i < value.size(); ++i) {
    out += i > 0 ? ",\n" : "\n";
    out.append(margin + step, ' ');
    if (object) {
      dump_string(out, value.members()[i].key);
      out += ": ";
    }
    dump_indented(out, object ? value.members()[i].value : value.items()[i], step, margin + step);
  }
  out += '\n';
  out.append(margin, ' ');
  out += object ? '}' : ']';
}

}  // namespace

std::string dump_json(const Json& value, int indent) {
  std::string out;
  if (indent > 0) {
    dump_indented(out, value, static_cast<std::size_t>(indent), 0);
  } else {
    dump_flat(out, value, ",", ":");
  }
  return out;
}

}  // namespace switchyard
