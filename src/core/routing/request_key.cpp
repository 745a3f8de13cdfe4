#include "core/routing/request_key.hpp"

#include <algorithm>

namespace oxbow {
namespace {

std::string_view trimmed(std::string_view text) {
  auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

// Takes what stands before the next `separator`.
std::string_view take_until(std::string_view& rest, char separator) {
  auto end = std::min(rest.find(separator), rest.size());
  auto part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

// Keeps the first value, and that there was a second one.
class OneValue {
 public:
  void add(std::string_view value) {
    key_.found = key_.found == KeyFound::absent ? KeyFound::yes : KeyFound::twice;
    key_.text = value;
  }
  RequestKey take() const { return key_.found == KeyFound::yes ? key_ : RequestKey{key_.found, {}}; }

 private:
  RequestKey key_;
};

// The text as it is, or in `buffer` without its escapes.
RequestKey decoded(std::string_view text, bool in_query, std::string& buffer) {
  bool plain = text.find_first_of(in_query ? "%+" : "%") == std::string_view::npos;
  if (plain) return {KeyFound::yes, text};
  buffer.clear();
  if (!append_decoded(text, in_query, buffer)) return {KeyFound::malformed, {}};
  return {KeyFound::yes, buffer};
}

}  // namespace

RequestKey find_in_query(std::string_view query, std::string_view name, std::string& buffer) {
  // Some services end a parameter at a semicolon, too.
  if (query.contains(';')) return {KeyFound::not_plain, {}};
  OneValue value;
  bool other_case = false;
  while (!query.empty()) {
    auto pair = take_until(query, '&');
    auto raw_name = take_until(pair, '=');
    auto name_here = decoded(raw_name, true, buffer);
    if (name_here.found != KeyFound::yes) return name_here;
    if (name_here.text == name) {
      value.add(pair);
    } else {
      other_case |= same_field_name(name_here.text, name);
    }
  }
  if (other_case) return {KeyFound::not_plain, {}};
  auto found = value.take();
  return found.found == KeyFound::yes ? decoded(found.text, true, buffer) : found;
}

RequestKey find_in_header(const HeaderFields& fields, std::string_view name) {
  OneValue value;
  for (const auto& field : fields)
    if (same_field_name(field.name, name)) value.add(trimmed(field.value));
  return value.take();
}

RequestKey find_in_cookies(const HeaderFields& fields, std::string_view name) {
  OneValue value;
  for (const auto& field : fields) {
    if (!same_field_name(field.name, "cookie")) continue;
    for (auto rest = field.value; !rest.empty();) {
      auto pair = take_until(rest, ';');
      auto cookie = trimmed(take_until(pair, '='));
      if (cookie == name) value.add(trimmed(pair));
    }
  }
  auto found = value.take();
  // Whether quotes and escapes belong to a cookie's value is for each service to say.
  bool plain = found.text.find_first_of("\"%") == std::string_view::npos;
  return plain ? found : RequestKey{KeyFound::not_plain, {}};
}

RequestKey find_key(const RouteTable& table, const RouteMatch& match, const RequestHead& head,
                    std::string& buffer) {
  const auto& routed = table.routes()[*match.route];
  const auto& source = routed.route.key;
  if (!source || source->part == RequestPart::none) return {KeyFound::none_declared, {}};
  RequestKey key;
  switch (source->part) {
    case RequestPart::none:
      break;
    case RequestPart::path:
      key = decoded(match.parameters[routed.key_parameter], false, buffer);
      break;
    case RequestPart::query:
      key = find_in_query(head.query(), source->name, buffer);
      break;
    case RequestPart::header:
      key = find_in_header(head.fields, source->name);
      break;
    case RequestPart::cookie:
      key = find_in_cookies(head.fields, source->name);
      break;
    case RequestPart::body:
      return {KeyFound::in_body, {}};
  }
  if (key.found != KeyFound::yes) return key;
  if (key.text.empty()) return {KeyFound::absent, {}};
  bool plain = is_key_text(table.entities()[routed.entity].key_kind, key.text);
  return plain ? key : RequestKey{KeyFound::not_plain, {}};
}

}  // namespace oxbow
