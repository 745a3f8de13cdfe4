// Judges a file by the text of our JSON Schema, in tests.
#pragma once

#include <gtest/gtest.h>
#include <regex.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "adapters/yaml/yaml_reader.hpp"
#include "core/spec/schema.hpp"

namespace oxbow {

class Pattern {
 public:
  explicit Pattern(const std::string& text) {
    EXPECT_EQ(regcomp(&compiled_, text.c_str(), REG_EXTENDED | REG_NOSUB), 0) << text;
  }
  ~Pattern() { regfree(&compiled_); }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  bool matches(const std::string& text) const {
    return regexec(&compiled_, text.c_str(), 0, nullptr, 0) == 0;
  }

 private:
  regex_t compiled_;
};

// A validator of just the words of JSON Schema that ours uses, so that it is judged by its text and not by
// the tables it was printed from. JSON is YAML, so the schema is read by the same reader.
class SchemaValidator {
 public:
  SchemaValidator() : schema_(*read_yaml(json_schema(), "schema.json")) {}

  const SpecNode& schema() const { return schema_; }

  bool accepts(const SpecNode& node) const { return accepts(schema_, node); }

 private:
  bool accepts(const SpecNode& rule, const SpecNode& node) const {
    static const std::set<std::string> words = {
        "$schema",  "title",      "$ref",          "$defs",
        "type",     "properties", "required",      "additionalProperties",
        "minItems", "items",      "minProperties", "propertyNames",
        "anyOf",    "enum",       "pattern",       "description"};
    for (const auto& [word, value] : rule.entries) EXPECT_TRUE(words.contains(word.text)) << word.text;
    return fits_type(rule, node) && fits_words(rule, node) && fits_list(rule, node) &&
           fits_object(rule, node) && fits_reference(rule, node);
  }

  bool fits_reference(const SpecNode& rule, const SpecNode& node) const {
    if (const auto* reference = rule.find("$ref")) {
      const auto* target =
          schema_.find("$defs")->find(reference->text.substr(std::string_view("#/$defs/").size()));
      EXPECT_NE(target, nullptr) << reference->text;
      if (!target || !accepts(*target, node)) return false;
    }
    const auto* forms = rule.find("anyOf");
    return !forms ||
           std::ranges::any_of(forms->items, [&](const SpecNode& form) { return accepts(form, node); });
  }

  static std::string type_of(const SpecNode& node) {
    if (node.is_map()) return "object";
    if (node.is_sequence()) return "array";
    if (node.is_null()) return "null";
    if (!node.quoted && (node.text == "true" || node.text == "false")) return "boolean";
    bool number = !node.quoted && matches("^-?[0-9]+([.][0-9]+)?$", node.text);
    return number ? "number" : "string";
  }

  static bool fits_type(const SpecNode& rule, const SpecNode& node) {
    const auto* type = rule.find("type");
    if (!type) return true;
    if (type->is_scalar()) return type->text == type_of(node);
    return std::ranges::any_of(type->items, [&](const SpecNode& item) { return item.text == type_of(node); });
  }

  static bool fits_words(const SpecNode& rule, const SpecNode& node) {
    if (const auto* pattern = rule.find("pattern"); pattern && type_of(node) == "string")
      if (!matches(pattern->text, node.text)) return false;
    const auto* words = rule.find("enum");
    return !words || std::ranges::any_of(words->items, [&](const SpecNode& word) {
      return node.is_scalar() && word.text == node.text && type_of(word) == type_of(node);
    });
  }

  bool fits_list(const SpecNode& rule, const SpecNode& node) const {
    if (rule.find("minItems") && node.items.empty()) return false;
    const auto* items = rule.find("items");
    return !items ||
           std::ranges::all_of(node.items, [&](const SpecNode& item) { return accepts(*items, item); });
  }

  bool fits_object(const SpecNode& rule, const SpecNode& node) const {
    if (rule.find("minProperties") && node.entries.empty()) return false;
    if (const auto* required = rule.find("required"))
      for (const auto& name : required->items)
        if (!node.find(name.text)) return false;
    const auto* properties = rule.find("properties");
    const auto* others = rule.find("additionalProperties");
    const auto* names = rule.find("propertyNames");
    return std::ranges::all_of(node.entries, [&](const SpecNode::Entry& entry) {
      if (names && !matches(names->find("pattern")->text, entry.key.text)) return false;
      if (const auto* property = properties ? properties->find(entry.key.text) : nullptr)
        return accepts(*property, entry.value);
      return !others || (others->text != "false" && accepts(*others, entry.value));
    });
  }

  static bool matches(const std::string& pattern, const std::string& text) {
    static std::map<std::string, Pattern> compiled;
    return compiled.try_emplace(pattern, pattern).first->second.matches(text);
  }

  SpecNode schema_;
};

}  // namespace oxbow
