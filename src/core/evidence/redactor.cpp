#include "core/evidence/redactor.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/evidence/answer_path.hpp"
#include "core/evidence/secret_text.hpp"
#include "core/evidence/shown_text.hpp"
#include "core/value/scan.hpp"

namespace oxbow {
namespace {

constexpr std::string_view kRedacted = "\"[redacted]\"";
constexpr std::string_view kHidden = "[redacted]";
constexpr std::string_view kNotJson = "[redacted: not JSON]";
constexpr std::string_view kCut = "…";
// A secret that begins before the cut is seen as a whole if it is not longer.
constexpr std::size_t kLookBehindCut = 512;

std::string cut(std::string_view text, std::size_t bytes_max, bool is_incomplete) {
  auto shown = as_utf8(cut_at_character(text, bytes_max));
  // A byte that is no text becomes three.
  if (is_incomplete || text.size() > bytes_max || shown.size() > bytes_max)
    shown = std::string(cut_at_character(shown, bytes_max)).append(kCut);
  return shown;
}

// As it is, or escaped as often as somebody liked ("%3D", "%253D"). `digits` are those of `c`, in lower case.
bool holds(std::string_view text, char c, std::string_view digits) {
  if (text.find(c) != std::string_view::npos) return true;
  for (auto at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    auto rest = text.substr(at + 1);
    while (rest.starts_with("25")) rest.remove_prefix(2);
    if (equals_ignoring_case(rest.substr(0, 2), digits)) return true;
  }
  return false;
}

bool has_parameters(std::string_view text) {
  return holds(text, '=', "3d");
}
bool may_be_path(std::string_view text) {
  return holds(text, '/', "2f");
}

bool looks_like_json(std::string_view body) {
  auto first = body.find_first_not_of(" \n\r\t");
  return first != std::string_view::npos && (body[first] == '{' || body[first] == '[' || body[first] == '"');
}

// As far as its beginning tells: it may have been cut.
bool is_number_or_word(std::string_view token) {
  constexpr std::array<std::string_view, 3> kWords = {"true", "false", "null"};
  if (std::ranges::any_of(kWords, [&](auto word) { return word.starts_with(token); })) return true;
  return token.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
}

std::string_view last_step(std::string_view path) {
  auto rest = steps_of(path), step = rest;
  while (!rest.empty()) step = take_step(rest);
  return step;
}

// Walks over JSON and writes it again without what is hidden. Needs no valid JSON: what it does not
// understand it treats as a value, and values are searched for secrets.
class BodyScan {
 public:
  // `path` leads to what is scanned, in legacy's names. On the new side a member counts by its own name and
  // by the one that legacy has for it.
  BodyScan(const Redactor& redactor, std::string_view body, std::string_view path, Side side)
      : redactor_(redactor),
        body_(body),
        path_(path),
        legacy_path_(path),
        has_renames_(side == Side::new_side && !redactor.renames().empty()) {}

  std::string run() {
    while (at_ < body_.size()) step();
    return std::move(out_);
  }

  // Objects or arrays are open: the text was cut before.
  bool is_incomplete() const { return !frames_.empty() || ends_in_string_; }

  // Something stood where JSON has something else, so names and values may have been taken for each other.
  bool is_strange() const { return is_strange_; }

 private:
  struct Frame {
    bool is_object = false;
    bool key_is_next = false;
    std::size_t path_size = 0;  // of the path to the object or array itself
    std::size_t legacy_path_size = 0;
  };

  void step() {
    char c = body_[at_];
    bool is_name = !frames_.empty() && frames_.back().key_is_next;
    if (is_blank(c)) {
      out_ += body_[at_++];
      return;
    }
    is_strange_ |= frames_.empty() ? std::exchange(has_value_, true) : is_name && c != '"' && c != '}';
    if (c == '}' || c == ']') {
      close();
    } else if (c == ',' || c == ':') {
      separate(c);
    } else if (c == '"' && is_name) {
      take_key();
    } else if (is_hidden()) {
      skip_value();
      out_ += kRedacted;
    } else if (c == '{' || c == '[') {
      open(c == '{');
    } else {
      take_scalar();
    }
  }

  bool is_hidden() const {
    return redactor_.hides(path_) || (path_ != legacy_path_ && redactor_.hides(legacy_path_));
  }

  void open(bool is_object) {
    frames_.push_back({is_object, is_object, path_.size(), legacy_path_.size()});
    if (!is_object) {
      path_ += "[*]";
      legacy_path_ += "[*]";
    }
    out_ += body_[at_++];
  }

  void close() {
    if (!frames_.empty()) {
      leave_member();
      frames_.pop_back();
    }
    out_ += body_[at_++];
  }

  void leave_member() {
    path_.resize(frames_.back().path_size);
    legacy_path_.resize(frames_.back().legacy_path_size);
  }

  void enter_member(std::string_view key) {
    append_member(path_, key);
    auto parent_size = legacy_path_.size();
    append_member(legacy_path_, key);
    if (!has_renames_) return;
    auto step = std::string_view(legacy_path_).substr(parent_size);
    auto name = std::string(member_of(step));
    for (const auto& renamed : redactor_.renames()) {
      if (renamed.to != name) continue;
      auto legacy = legacy_path_.substr(0, parent_size).append(last_step(renamed.path));
      if (!is_exactly(renamed.path, legacy)) continue;
      legacy_path_ = std::move(legacy);
      return;
    }
  }

  void separate(char c) {
    if (!frames_.empty() && frames_.back().is_object) {
      frames_.back().key_is_next = c == ',';
      if (c == ',') leave_member();
    }
    out_ += body_[at_++];
  }

  void take_key() {
    auto token = take_string();
    auto& frame = frames_.back();
    frame.key_is_next = false;
    leave_member();
    enter_member(token.substr(1, token.size() - (token.size() > 1 ? 2 : 1)));
    out_ += without_secrets(token);
  }

  void take_scalar() {
    if (body_[at_] == '"') {
      out_ += without_secrets(take_string());
      return;
    }
    auto end = at_;
    while (end < body_.size() && !is_blank(body_[end]) &&
           std::string_view(",:]}").find(body_[end]) == std::string_view::npos)
      ++end;
    auto token = body_.substr(at_, end - at_);
    at_ = end;
    is_strange_ |= !is_number_or_word(token);
    // The rest of a number that was cut off might make it a secret.
    if (end == body_.size() && !frames_.empty()) return;
    auto shown = without_secrets(token);
    out_ += shown == token ? shown : "\"" + shown + "\"";
  }

  std::string_view take_string() {
    auto end = end_of_string(at_);
    auto token = body_.substr(at_, end - at_);
    ends_in_string_ = end == body_.size() && (token.size() < 2 || token.back() != '"');
    at_ = end;
    return token;
  }

  std::size_t end_of_string(std::size_t from) const {
    auto end = from + 1;
    while (end < body_.size() && body_[end] != '"') end += body_[end] == '\\' ? 2 : 1;
    return std::min(end + 1, body_.size());
  }

  void skip_value() {
    std::size_t depth = 0;
    do {
      char c = body_[at_];
      if (c == '"') {
        at_ = end_of_string(at_);
        continue;
      }
      bool closes = c == '}' || c == ']';
      // A value without brackets ends where its neighbour begins.
      if (depth == 0 && (closes || c == ',')) return;
      if (c == '{' || c == '[') ++depth;
      if (closes) --depth;
      ++at_;
      if (closes && depth == 0) return;
    } while (at_ < body_.size());
  }

  const Redactor& redactor_;
  std::string_view body_;
  std::size_t at_ = 0;
  std::string out_;
  std::string path_;
  std::string legacy_path_;
  bool has_renames_;
  std::vector<Frame> frames_;
  bool has_value_ = false;  // outermost
  bool ends_in_string_ = false;
  bool is_strange_ = false;
};

// The parameters of a query, those that `hides` by name and value without their values. Some services part
// them with ';', too.
template <class Hides>
std::string redacted_query(std::string_view query, Hides hides) {
  std::string out;
  while (true) {
    auto parameter = query.substr(0, query.find_first_of("&;"));
    auto equals = parameter.find('=');
    bool is_hidden =
        equals != std::string_view::npos && hides(parameter.substr(0, equals), parameter.substr(equals + 1));
    out.append(is_hidden ? parameter.substr(0, equals + 1) : parameter).append(is_hidden ? kHidden : "");
    if (parameter.size() == query.size()) return out;
    out += query[parameter.size()];
    query.remove_prefix(parameter.size() + 1);
  }
}

// The segments of a path, those that `hides` by the name of their parameter replaced.
template <class Hides>
std::string redacted_path(std::string_view pattern, std::string_view path, Hides hides) {
  std::string out;
  while (true) {
    auto part = pattern.substr(0, pattern.find('/')), segment = path.substr(0, path.find('/'));
    bool is_parameter = part.size() > 2 && part.starts_with('{') && part.ends_with('}');
    bool is_hidden = is_parameter && hides(part.substr(1, part.size() - 2));
    out += is_hidden ? kHidden : segment;
    if (segment.size() == path.size()) return out;
    path.remove_prefix(segment.size() + 1);
    pattern.remove_prefix(std::min(part.size() + 1, pattern.size()));
    out += '/';
  }
}

}  // namespace

Redactor::Redactor(std::vector<std::string> fields, std::vector<RenamedMember> renames)
    : fields_(std::move(fields)),
      renames_(std::move(renames)),
      hides_query_(names_any("query.")),
      hides_path_(names_any("path.")),
      keeps_text_(!names_any("$") && !hides_query_ && !hides_path_) {}

bool Redactor::names_any(std::string_view beginning) const {
  return std::ranges::any_of(fields_, [&](const auto& field) { return field.starts_with(beginning); });
}

bool Redactor::hides(std::string_view path) const {
  auto rest = steps_of(path);
  while (!rest.empty()) {
    auto member = member_of(take_step(rest));
    if (is_secret_name(member)) return true;
  }
  // Of a path that is too long the end is not known.
  bool has_end = !beginning_of_long(path);
  return std::ranges::any_of(fields_, [&](std::string_view field) {
    return leads_to(field, path) || (!has_end && root_of(field) == root_of(path));
  });
}

std::string Redactor::path(std::string_view path) const {
  auto is_named = [&](std::string_view begun) {
    return std::ranges::any_of(fields_, [&](std::string_view field) { return leads_to(field, begun); });
  };
  auto rest = steps_of(path);
  while (!rest.empty()) {
    take_step(rest);
    auto begun = path.substr(0, path.size() - rest.size());
    if (!rest.empty() && is_named(begun)) return std::string(begun) + ".*";
  }
  return std::string(path);
}

std::string Redactor::text(std::string_view text, std::size_t bytes_max) const {
  bool is_incomplete = text.size() > bytes_max + kLookBehindCut;
  auto seen = text.substr(0, bytes_max + kLookBehindCut);
  return cut(without_secrets(seen), bytes_max, is_incomplete);
}

std::string Redactor::body(std::string_view body, std::size_t bytes_max, Side side) const {
  if (body.empty()) return {};
  return value("$", body, bytes_max, side);
}

std::string Redactor::value(std::string_view path, std::string_view value, std::size_t bytes_max,
                            Side side) const {
  if (value.empty()) return {};
  if (hides(path)) return std::string(kRedacted);
  if (root_of(path) == "header") return text(header_value(path, value), bytes_max);
  if (!looks_like_json(value))
    return path == "$" && !keeps_text_ ? std::string(kNotJson) : text(value, bytes_max);
  BodyScan scan(*this, value.substr(0, bytes_max + kLookBehindCut), path, side);
  auto shown = scan.run();
  if (path == "$" && !keeps_text_ && scan.is_strange()) return std::string(kNotJson);
  return cut(shown, bytes_max, scan.is_incomplete());
}

std::string Redactor::request(std::string_view route, std::string_view request, std::size_t bytes_max) const {
  auto question = std::min(request.find('?'), request.size());
  auto shown = redacted_path(route, request.substr(0, question),
                             [&](std::string_view name) { return names_part("path.", name); });
  if (question < request.size()) shown += "?" + query(request.substr(question + 1));
  return text(shown, bytes_max);
}

// A name with an escape in it may be any of those that the spec names.
bool Redactor::names_part(std::string_view part, std::string_view name) const {
  return std::ranges::any_of(fields_, [&](std::string_view field) {
    if (!field.starts_with(part)) return false;
    return field.substr(part.size()) == name || name.find_first_of("%+") != std::string_view::npos;
  });
}

// A value may be an address with a query of its own.
std::string Redactor::query(std::string_view query) const {
  return redacted_query(query, [&](std::string_view name, std::string_view value) {
    return names_part("query.", name) || (hides_query_ && has_parameters(value)) ||
           (hides_path_ && may_be_path(value));
  });
}

// Addresses in it (Location, Link) may carry what must not be kept of the request. Which part of their paths
// that would be nobody knows, and a relative one has no slash.
std::string Redactor::header_value(std::string_view path, std::string_view value) const {
  auto is_hidden = [&](std::string_view part) {
    return hides_path_ && (part.find('<') != std::string_view::npos || may_be_path(part));
  };
  bool is_address = path == "header.location" || path == "header.content-location";
  auto at = std::min(value.find_first_of("?#"), value.size());
  auto first = value.substr(0, at);
  auto shown = std::string((hides_path_ && is_address) || is_hidden(first) ? kHidden : first);
  while (at < value.size()) {
    auto end = std::min(value.find_first_of("?#", at + 1), value.size());
    auto part = value.substr(at + 1, end - at - 1);
    shown.append(1, value[at]).append(is_hidden(part) ? std::string(kHidden) : query(part));
    at = end;
  }
  return shown;
}

}  // namespace oxbow
