#include "core/evidence/secret_text.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>

namespace oxbow {
namespace {

constexpr std::array<std::string_view, 28> kSecretWords = {
    "password", "passwords", "passwd",  "pwd",      "passphrase", "secret",      "secrets",
    "token",    "tokens",    "jwt",     "cookie",   "cookies",    "credential",  "apikey",
    "csrf",     "xsrf",      "session", "sid",      "auth",       "credentials", "cvv",
    "cvc",      "pin",       "otp",     "passcode", "bearer",     "sig",         "signature"};
// Also in names that run their words together, and of words that are harmless alone.
constexpr std::array<std::string_view, 12> kSecretPhrases = {
    "apikey", "accesskey", "privatekey", "secretkey",   "cardnumber",   "sessionid",
    "sessid", "password",  "authtoken",  "accesstoken", "refreshtoken", "authorization"};

constexpr std::size_t kLongRunDigits = 15;
constexpr std::size_t kCardDigitsMin = 13;
constexpr std::size_t kCardDigitsMax = 19;
constexpr std::size_t kCardGroupMax = 6;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || is_upper(c);
}
bool is_word(char c) {
  return is_letter(c) || is_digit(c);
}
bool is_name(char c) {
  return is_word(c) || c == '_' || c == '-';
}
bool is_token(char c) {
  return is_name(c) || c == '.' || c == '~' || c == '+' || c == '/' || c == '=';
}
char lower(char c) {
  return is_upper(c) ? static_cast<char>(c + ('a' - 'A')) : c;
}

template <class Belongs>
std::size_t end_of_run(std::string_view text, std::size_t at, Belongs belongs) {
  while (at < text.size() && belongs(text[at])) ++at;
  return at;
}

bool starts_with_word(std::string_view text, std::string_view word) {
  if (text.size() < word.size()) return false;
  return std::ranges::equal(text.substr(0, word.size()), word, {}, lower);
}

// The check digit that every card number ends with.
bool passes_luhn(std::string_view digits) {
  int sum = 0;
  bool twice = false;
  for (std::size_t i = digits.size(); i-- > 0; twice = !twice) {
    int digit = digits[i] - '0';
    if (twice) digit = digit > 4 ? 2 * digit - 9 : 2 * digit;
    sum += digit;
  }
  return sum % 10 == 0;
}

// Walks over a text once and writes what may be shown.
class SecretScan {
 public:
  explicit SecretScan(std::string_view text) : text_(text) { out_.reserve(text.size()); }

  std::string run() {
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (name_letter(at_).letter == '@' && take_email()) continue;
      if (c == '%' && is_letter(name_letter(at_).letter) && take_named()) continue;
      if (is_digit(c)) {
        if (!take_digits()) copy_to(end_of_run(text_, at_, is_word));
      } else if (is_letter(c)) {
        if (!take_scheme() && !take_jwt() && !take_named()) copy_to(end_of_run(text_, at_, is_word));
      } else {
        copy_to(at_ + name_letter(at_).bytes);
      }
    }
    return std::move(out_);
  }

 private:
  void copy_to(std::size_t end) {
    out_.append(text_.substr(at_, end - at_));
    at_ = end;
  }

  // What stands here of a name, which in a URL may be written as an escape: %77 is `w`.
  struct NameLetter {
    char letter = 0;
    std::size_t bytes = 1;
  };

  NameLetter name_letter(std::size_t at) const {
    if (text_[at] != '%' || at + 2 >= text_.size()) return {text_[at]};
    unsigned char code = 0;
    auto end = text_.data() + at + 3;
    auto read = std::from_chars(text_.data() + at + 1, end, code, 16);
    return read.ptr == end ? NameLetter{static_cast<char>(code), 3} : NameLetter{'%'};
  }

  // An address is known by its '@', when what stands before it is already written.
  bool take_email() {
    auto is_local = [](char c) { return is_name(c) || c == '.' || c == '+' || c == '%'; };
    auto begin = out_.size();
    while (begin > 0 && is_local(out_[begin - 1])) --begin;
    // The letter of an escape, as in "\n", belongs to its backslash.
    if (begin > 0 && begin < out_.size() && out_[begin - 1] == '\\') ++begin;
    auto domain_at = at_ + name_letter(at_).bytes;
    auto end = end_of_run(text_, domain_at, [](char c) { return is_word(c) || c == '.' || c == '-'; });
    auto domain = text_.substr(domain_at, end - domain_at);
    if (begin == out_.size() || domain.find('.') == std::string_view::npos) return false;
    out_.resize(begin);
    out_ += "[redacted e-mail]";
    at_ = end;
    return true;
  }

  // Digits that stand alone, in one run or in short groups as on a card. What follows a point is the fraction
  // of a number.
  bool take_digits() {
    if (at_ > 1 && text_[at_ - 1] == '.' && is_digit(text_[at_ - 2])) return false;
    std::string digits;
    std::size_t end = at_;
    bool grouped = false;
    while (true) {
      auto group_end = end_of_run(text_, end, is_digit);
      auto group = text_.substr(end, group_end - end);
      if (grouped && group.size() > kCardGroupMax) break;
      digits += group;
      end = group_end;
      bool goes_on = end + 1 < text_.size() && (text_[end] == ' ' || text_[end] == '-') &&
                     is_digit(text_[end + 1]) && group.size() <= kCardGroupMax;
      if (!goes_on || digits.size() > kCardDigitsMax) break;
      grouped = true;
      ++end;
    }
    if (!is_digit(text_[end - 1])) --end;
    if (end < text_.size() && (is_letter(text_[end]) || text_[end] == '_')) return false;
    if (end + 1 < text_.size() && text_[end] == '.' && is_digit(text_[end + 1])) return false;
    bool is_card = digits.size() >= kCardDigitsMin && digits.size() <= kCardDigitsMax && passes_luhn(digits);
    bool is_long = !grouped && digits.size() >= kLongRunDigits;
    if (!is_card && !is_long) return false;
    out_ += fmt::format("[redacted {} digits]", digits.size());
    at_ = end;
    return true;
  }

  // "Bearer ...", "Basic ..."
  bool take_scheme() {
    for (std::string_view scheme : {"bearer ", "basic "}) {
      if (!starts_with_word(text_.substr(at_), scheme)) continue;
      auto token = at_ + scheme.size();
      auto end = end_of_run(text_, token, is_token);
      if (end - token < 8) return false;
      copy_to(token);
      out_ += "[redacted]";
      at_ = end;
      return true;
    }
    return false;
  }

  // A signed token begins with the Base64 of `{"`.
  bool take_jwt() {
    if (at_ < no_jwt_before_ || !text_.substr(at_).starts_with("eyJ")) return false;
    auto end = end_of_run(text_, at_, [](char c) { return is_name(c) || c == '.'; });
    auto token = text_.substr(at_, end - at_);
    if (token.size() < 20 || token.find('.') == std::string_view::npos) {
      no_jwt_before_ = end;
      return false;
    }
    out_ += "[redacted]";
    at_ = end;
    return true;
  }

  // A quote, which inside of a text that is itself quoted has backslashes before it.
  std::size_t end_of_quote(std::size_t at) const {
    auto quote = end_of_run(text_, at, [](char c) { return c == '\\'; });
    return quote < text_.size() && text_[quote] == '"' ? quote + 1 : at;
  }

  // Of a name within another, as forms write it: user[password]=..., token[]=...
  std::size_t end_of_brackets(std::size_t at) const {
    while (at < text_.size() && (name_letter(at).letter == '[' || name_letter(at).letter == ']'))
      at += name_letter(at).bytes;
    return at;
  }

  // password=..., pass%77ord%3D..., user[password]=..., "token": "...", Cookie: ..., <password>...
  bool take_named() {
    if (at_ < no_name_before_) return false;
    std::string name;
    auto value = at_;
    for (; value < text_.size(); value += name_letter(value).bytes) {
      if (!is_name(name_letter(value).letter)) break;
      name += name_letter(value).letter;
    }
    auto name_end = value;
    value = end_of_brackets(end_of_quote(value));
    value = end_of_run(text_, value, [](char c) { return c == ' '; });
    auto separator = value < text_.size() ? name_letter(value) : NameLetter{};
    bool is_tag = separator.letter == '>' && at_ > 0 && text_[at_ - 1] == '<' && value == name_end;
    bool names_value = separator.letter == '=' || separator.letter == ':' || is_tag;
    if (!names_value || !is_secret_name(name)) {
      no_name_before_ = name_end;  // what a part of it is called has been seen, too
      return false;
    }
    value = end_of_run(text_, value + separator.bytes, [](char c) { return c == ' '; });
    copy_to(value);
    at_ = end_of_secret(name);
    out_ += "[redacted]";
    return true;
  }

  std::size_t end_of_secret(std::string_view name) {
    if (starts_with_word(name, "cookie") || starts_with_word(name, "set-cookie") ||
        starts_with_word(name, "authorization") || starts_with_word(name, "proxy-authorization"))
      return end_of_run(text_, at_, [](char c) { return c != '\n' && c != '\r'; });
    if (auto begin = end_of_quote(at_); begin > at_) {
      auto quote = text_.substr(at_, begin - at_);  // what opens it also closes it
      if (quote.size() > 1) {
        auto end = text_.find(quote, begin);
        return end == std::string_view::npos ? text_.size() : end + quote.size();
      }
      auto end = begin;
      while (end < text_.size() && text_[end] != '"') end += text_[end] == '\\' ? 2 : 1;
      return std::min(end + 1, text_.size());
    }
    constexpr std::string_view kEnds = "&;, \t\r\n\"'<}])";
    return end_of_run(text_, at_, [&](char c) { return kEnds.find(c) == std::string_view::npos; });
  }

  std::string_view text_;
  std::size_t at_ = 0;
  // Each part of a text is looked at once, however many names it could begin with.
  std::size_t no_name_before_ = 0;
  std::size_t no_jwt_before_ = 0;
  std::string out_;
};

}  // namespace

bool is_secret_name(std::string_view name) {
  std::string joined, word;
  bool secret = false;
  auto end_word = [&] {
    secret = secret || std::ranges::find(kSecretWords, word) != kSecretWords.end();
    word.clear();
  };
  for (std::size_t i = 0; i < name.size(); ++i) {
    bool begins_word = is_upper(name[i]) && i > 0 && !is_upper(name[i - 1]);
    if (begins_word || !is_letter(name[i])) end_word();
    if (!is_letter(name[i])) continue;
    word += lower(name[i]);
    joined += lower(name[i]);
  }
  end_word();
  return secret || std::ranges::any_of(kSecretPhrases, [&](std::string_view phrase) {
           return joined.find(phrase) != std::string::npos;
         });
}

std::string without_secrets(std::string_view text) {
  return SecretScan(text).run();
}

}  // namespace oxbow
