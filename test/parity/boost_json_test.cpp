// The comparison of answers against Boost.JSON, a parser that shares no code with it, over generated
// documents: what it takes, what it refuses, and what it finds equal. A document is printed twice, each time
// with other blanks, another order of members and other spellings.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "core/parity/answers.hpp"
#include "core/parity/json_scanner.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

constexpr int kDocuments = 3'000;
constexpr int kDepthMax = 512;

const std::vector<std::string> kTexts = {"",
                                         "a",
                                         "b",
                                         "name",
                                         "é",
                                         "😀",
                                         "with \"quotes\" and \\",
                                         "line\nbreak",
                                         std::string("nul\0!", 5),
                                         "a text that is longer than a word of the machine"};

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  json::value document(int depth = 4) {
    switch (random_.below(depth > 0 ? 8 : 5)) {
      case 0:
        return nullptr;
      case 1:
        return random_.chance(0.5);
      case 2:
        return json::value(kTexts[random_.below(kTexts.size())]);
      case 3:
        return json::value(static_cast<std::int64_t>(random_.below(40)) - 20);
      case 4:
        return json::value((static_cast<double>(random_.below(40)) - 20) +
                           0.125);  // exact in binary and decimal
      case 5: {
        json::array array;
        for (auto left = random_.below(5); left > 0; --left) array.push_back(document(depth - 1));
        return array;
      }
      default: {
        json::object object;
        for (auto left = random_.below(random_.chance(0.02) ? 90 : 6); left > 0; --left)
          object[random_.chance(0.5) ? kTexts[random_.below(kTexts.size())]
                                     : fmt::format("m{}", random_.below(200))] = document(depth - 1);
        return object;
      }
    }
  }

  // The document with one place changed, or none.
  json::value changed(json::value document) {
    if (random_.chance(0.3)) return document;
    auto* at = &document;
    while (random_.chance(0.8)) {
      if (auto* array = at->if_array(); array && !array->empty()) {
        at = &(*array)[random_.below(array->size())];
      } else if (auto* object = at->if_object(); object && !object->empty()) {
        at = &(object->begin() + static_cast<std::ptrdiff_t>(random_.below(object->size())))->value();
      } else {
        break;
      }
    }
    *at = this->document(1);
    return document;
  }

  std::string printed(const json::value& value) {
    switch (value.kind()) {
      case json::kind::object: {
        std::vector<const json::key_value_pair*> members;
        for (const auto& each : value.get_object()) members.push_back(&each);
        if (random_.chance(0.5))
          for (auto i = members.size(); i > 1; --i) std::swap(members[i - 1], members[random_.below(i)]);
        std::string out = "{" + blanks();
        for (const auto* each : members) {
          if (each != members.front()) out += "," + blanks();
          out += quoted(each->key()) + blanks() + ":" + blanks() + printed(each->value()) + blanks();
        }
        return out + "}";
      }
      case json::kind::array: {
        std::string out = "[" + blanks();
        for (std::size_t i = 0; i < value.get_array().size(); ++i)
          out += (i > 0 ? "," + blanks() : "") + printed(value.get_array()[i]) + blanks();
        return out + "]";
      }
      case json::kind::string:
        return quoted(value.get_string());
      case json::kind::int64:
        return spelled(std::to_string(value.get_int64()));
      case json::kind::double_:
        return spelled(fmt::format("{}", value.get_double()));
      default:
        return json::serialize(value);
    }
  }

  std::string broken(std::string text) {
    constexpr std::string_view kBytes = "{}[]\",:\\u0e-+.1tn \x01\x80\xed\xff";
    for (auto left = random_.below(3) + 1; left > 0 && !text.empty(); --left) {
      auto at = random_.below(text.size());
      char byte = kBytes[random_.below(kBytes.size())];
      if (random_.chance(0.3)) {
        text.erase(at, 1 + random_.below(3));
      } else if (random_.chance(0.5)) {
        text.insert(at, 1, byte);
      } else {
        text[at] = byte;
      }
    }
    return text;
  }

 private:
  std::string blanks() {
    return random_.chance(0.2) ? std::string(random_.below(4), " \n\t\r"[random_.below(4)]) : "";
  }

  std::string quoted(std::string_view text) {
    if (random_.chance(0.6)) return json::serialize(json::value(json::string(text)));
    std::string out = "\"";
    for (char c : text) {
      bool escape = c == '"' || c == '\\' || (c >= 0 && (c < ' ' || random_.chance(0.3)));
      out += escape ? fmt::format("\\u{:04x}", static_cast<int>(c)) : std::string(1, c);
    }
    return out + "\"";
  }

  std::string spelled(const std::string& number) {
    if (random_.chance(0.6)) return number;
    bool has_point = number.contains('.');
    return number + (has_point ? "00" : ".0") + (random_.chance(0.5) ? "e0" : "");
  }

  Random random_;
};

AnswerComparison compare(std::string_view legacy, std::string_view new_side) {
  static const CompareRules no_rules;
  Answer one{.body = legacy}, other{.body = new_side};
  return compare_answers(one, other, no_rules, ParityLimits());
}

TEST(ParityAgainstBoostJson, FindsEqualWhatIsEqual) {
  int equal = 0;
  for (std::uint64_t seed = 0; seed < kDocuments; ++seed) {
    Generator generator(seed);
    auto one = generator.document(), other = generator.changed(one);
    auto legacy = generator.printed(one), new_side = generator.printed(other);
    auto found = compare(legacy, new_side), mirrored = compare(new_side, legacy);
    ASSERT_FALSE(found.skipped) << "seed " << seed << ": " << legacy << "\n" << new_side;
    ASSERT_EQ(found.verdict != AnswerComparison::Verdict::differs, one == other)
        << "seed " << seed << ": " << legacy << "\n"
        << new_side;
    ASSERT_EQ(found.difference_count, mirrored.difference_count) << "seed " << seed;
    equal += one == other ? 1 : 0;
  }
  EXPECT_GT(equal, kDocuments / 5);
  EXPECT_LT(equal, kDocuments * 4 / 5);
}

TEST(ParityAgainstBoostJson, TakesWhatItTakes) {
  int sound = 0;
  for (std::uint64_t seed = 0; seed < kDocuments; ++seed) {
    Generator generator(seed);
    auto text = generator.broken(generator.printed(generator.document()));
    json::error_code error;
    json::parse_options options;
    options.max_depth = kDepthMax;
    auto value = json::parse(text, error, {}, options);
    if (error == json::error::exponent_overflow) continue;  // it has no room for what JSON allows
    auto fault = check_json(text, kDepthMax);
    ASSERT_EQ(fault.has_value(), error.failed()) << "seed " << seed << ": " << text << "\n"
                                                 << error.message() << "\n"
                                                 << (fault ? fault->what : "");
    sound += error.failed() ? 0 : 1;
  }
  EXPECT_GT(sound, kDocuments / 20);
}

}  // namespace
}  // namespace oxbow
