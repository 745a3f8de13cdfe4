#include "core/evidence/redactor.hpp"

#include <algorithm>

#include "core/evidence/answer_path.hpp"
#include "core/evidence/secret_text.hpp"
#include "core/evidence/shown_text.hpp"

namespace oxbow {
namespace {

constexpr std::string_view kRedacted = "\"[redacted]\"";
constexpr std::string_view kHidden = "[redacted]";
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

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

bool looks_like_json(std::string_view body) {
  auto first = body.find_first_not_of(" \n\r\t");
  return first != std::string_view::npos && (body[first] == '{' || body[first] == '[' || body[first] == '"');
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

 private:
  struct Frame {
    bool is_object = false;
    bool key_is_next = false;
    std::size_t path_size = 0;  // of the path to the object or array itself
    std::size_t legacy_path_size = 0;
  };

  void step() {
    char c = body_[at_];
    if (is_blank(c)) {
      out_ += body_[at_++];
    } else if (c == '}' || c == ']') {
      close();
    } else if (c == ',' || c == ':') {
      separate(c);
    } else if (c == '"' && !frames_.empty() && frames_.back().key_is_next) {
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
  bool ends_in_string_ = false;
};

// The parameters of a query, those that `hides` without their values.
template <class Hides>
std::string redacted_query(std::string_view query, Hides hides) {
  std::string out;
  while (true) {
    auto parameter = query.substr(0, query.find('&'));
    auto equals = parameter.find('=');
    bool is_hidden = equals != std::string_view::npos && hides(parameter.substr(0, equals));
    out.append(is_hidden ? parameter.substr(0, equals + 1) : parameter).append(is_hidden ? kHidden : "");
    if (parameter.size() == query.size()) return out;
    query.remove_prefix(parameter.size() + 1);
    out += '&';
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
      has_body_fields_(
          std::ranges::any_of(fields_, [](std::string_view field) { return root_of(field) == "$"; })) {}

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

std::string Redactor::text(std::string_view text, std::size_t bytes_max) const {
  bool is_incomplete = text.size() > bytes_max + kLookBehindCut;
  auto seen = text.substr(0, bytes_max + kLookBehindCut);
  return cut(without_secrets(seen), bytes_max, is_incomplete);
}

std::string Redactor::body(std::string_view body, std::size_t bytes_max, Side side) const {
  if (body.empty()) return {};
  if (looks_like_json(body)) return value("$", body, bytes_max, side);
  return has_body_fields_ ? "[redacted: not JSON]" : text(body, bytes_max);
}

std::string Redactor::value(std::string_view path, std::string_view value, std::size_t bytes_max,
                            Side side) const {
  if (value.empty()) return {};
  if (hides(path)) return std::string(kRedacted);
  if (!looks_like_json(value))
    return root_of(path) == "header" ? text(header_value(value), bytes_max) : text(value, bytes_max);
  BodyScan scan(*this, value.substr(0, bytes_max + kLookBehindCut), path, side);
  auto shown = scan.run();
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

std::string Redactor::query(std::string_view query) const {
  return redacted_query(query, [&](std::string_view name) { return names_part("query.", name); });
}

// An address in it (Location, Link) may carry what must not be kept of the request. Which part of its path
// that would be nobody knows.
std::string Redactor::header_value(std::string_view value) const {
  auto question = std::min(value.find_first_of("?#"), value.size());
  auto shown = std::string(value.substr(0, question));
  bool hides_path =
      std::ranges::any_of(fields_, [](const auto& field) { return field.starts_with("path."); });
  if (hides_path && shown.find('/') != std::string::npos) shown = kHidden;
  while (question < value.size()) {
    auto end = std::min(value.find_first_of("?#", question + 1), value.size());
    shown += value[question] + query(value.substr(question + 1, end - question - 1));
    question = end;
  }
  return shown;
}

}  // namespace oxbow
