#include "core/evidence/redactor.hpp"

#include <algorithm>

#include "core/evidence/secret_text.hpp"
#include "core/evidence/shown_text.hpp"

namespace oxbow {
namespace {

constexpr std::string_view kRedacted = "\"[redacted]\"";
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

// ---- paths ----

// Takes one step off a path: `.name`, `["any name"]`, `[*]`, `[3]`.
std::string_view take_step(std::string_view& rest) {
  std::size_t end = 0;
  if (rest.starts_with("[\"")) {
    end = 2;
    while (end < rest.size() && rest[end] != '"') end += rest[end] == '\\' ? 2 : 1;
    end = std::min(end + 2, rest.size());
  } else {
    end = std::min(rest.find_first_of(".[", 1), rest.size());
  }
  auto step = rest.substr(0, end);
  rest.remove_prefix(end);
  return step;
}

// Empty for an element of an array.
std::string_view member_of(std::string_view step) {
  if (step.starts_with('.')) return step.substr(1);
  return step.starts_with("[\"") && step.size() > 4 ? step.substr(2, step.size() - 4) : std::string_view();
}

std::string_view steps_of(std::string_view path) {
  return path.substr(std::min(path.find_first_of(".["), path.size()));
}

// "$" for the body, "header" for a field of the head.
std::string_view root_of(std::string_view path) {
  return path.substr(0, path.size() - steps_of(path).size());
}

// Whether the steps of a path begin with those that are wanted; `..` skips any number of steps.
bool begins_with(std::string_view rest, std::string_view wanted) {
  while (!wanted.empty()) {
    if (wanted.starts_with("..")) {
      wanted.remove_prefix(1);
      while (!begins_with(rest, wanted)) {
        if (rest.empty()) return false;
        take_step(rest);
      }
      return true;
    }
    if (rest.empty()) return false;
    auto want = take_step(wanted), step = take_step(rest);
    bool is_member = !member_of(step).empty();
    if (want != step && !(want == ".*" && is_member) && !(want == "[*]" && !is_member)) return false;
  }
  return true;
}

// Whether `path` is what `field` names, or lies inside of it.
bool leads_to(std::string_view field, std::string_view path) {
  return root_of(field) == root_of(path) && begins_with(steps_of(path), steps_of(field));
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '$' || c == '@' || static_cast<unsigned char>(c) >= 0x80;
}

// `key` as it stands in JSON, so what has to be escaped is.
void append_member(std::string& path, std::string_view key) {
  bool plain = !key.empty() && std::ranges::all_of(key, is_plain);
  path.append(plain ? "." : "[\"").append(key).append(plain ? "" : "\"]");
}

// ---- bodies ----

// Walks over JSON and writes it again without what is hidden. Needs no valid JSON: what it does not
// understand it treats as a value, and values are searched for secrets.
class BodyScan {
 public:
  BodyScan(const Redactor& redactor, std::string_view body) : redactor_(redactor), body_(body) {}

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
    } else if (!frames_.empty() && redactor_.hides(path_)) {
      skip_value();
      out_ += kRedacted;
    } else if (c == '{' || c == '[') {
      open(c == '{');
    } else {
      take_scalar();
    }
  }

  void open(bool is_object) {
    frames_.push_back({is_object, is_object, path_.size()});
    if (!is_object) path_ += "[*]";
    out_ += body_[at_++];
  }

  void close() {
    if (!frames_.empty()) {
      path_.resize(frames_.back().path_size);
      frames_.pop_back();
    }
    out_ += body_[at_++];
  }

  void separate(char c) {
    if (!frames_.empty() && frames_.back().is_object) {
      frames_.back().key_is_next = c == ',';
      if (c == ',') path_.resize(frames_.back().path_size);
    }
    out_ += body_[at_++];
  }

  void take_key() {
    auto token = take_string();
    auto& frame = frames_.back();
    frame.key_is_next = false;
    path_.resize(frame.path_size);
    append_member(path_, token.substr(1, token.size() - (token.size() > 1 ? 2 : 1)));
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
  std::string path_ = "$";
  std::vector<Frame> frames_;
  bool ends_in_string_ = false;
};

}  // namespace

bool Redactor::hides(std::string_view path) const {
  auto rest = steps_of(path);
  while (!rest.empty()) {
    auto member = member_of(take_step(rest));
    if (is_secret_name(member) || (!member.empty() && std::ranges::find(fields_, member) != fields_.end()))
      return true;
  }
  return std::ranges::any_of(fields_, [&](std::string_view field) { return leads_to(field, path); });
}

std::string Redactor::text(std::string_view text, std::size_t bytes_max) const {
  bool is_incomplete = text.size() > bytes_max + kLookBehindCut;
  auto seen = text.substr(0, bytes_max + kLookBehindCut);
  return cut(without_secrets(seen), bytes_max, is_incomplete);
}

std::string Redactor::body(std::string_view body, std::size_t bytes_max) const {
  if (!looks_like_json(body)) return text(body, bytes_max);
  BodyScan scan(*this, body.substr(0, bytes_max + kLookBehindCut));
  auto shown = scan.run();
  return cut(shown, bytes_max, scan.is_incomplete());
}

std::string Redactor::value(std::string_view path, std::string_view value, std::size_t bytes_max) const {
  if (value.empty()) return {};
  return hides(path) ? std::string(kRedacted) : body(value, bytes_max);
}

}  // namespace oxbow
