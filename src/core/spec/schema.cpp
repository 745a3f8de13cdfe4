#include "core/spec/schema.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "core/spec/grammar.hpp"

namespace oxbow {
namespace {

std::string quoted_json(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// Writes one JSON document, indented, with commas where they belong.
class JsonWriter {
 public:
  void open(char bracket) {
    before_value();
    out_ += bracket;
    first_ = true;
    indent_ += 2;
  }
  void close(char bracket) {
    indent_ -= 2;
    if (!first_) new_line();
    out_ += bracket;
    first_ = false;
  }
  void key(std::string_view name) {
    before_value();
    out_ += quoted_json(name) + ": ";
    behind_key_ = true;
  }
  void raw(std::string_view json) {
    before_value();
    out_ += json;
  }
  void text(std::string_view value) { raw(quoted_json(value)); }
  void field(std::string_view name, std::string_view value) {
    key(name);
    text(value);
  }
  void field_raw(std::string_view name, std::string_view json) {
    key(name);
    raw(json);
  }
  std::string take() { return out_ + "\n"; }

 private:
  void new_line() { out_ += "\n" + std::string(indent_, ' '); }
  void before_value() {
    if (std::exchange(behind_key_, false)) return;
    if (!first_) out_ += ',';
    if (!out_.empty()) new_line();
    first_ = false;
  }

  std::string out_;
  std::size_t indent_ = 0;
  bool first_ = true;
  bool behind_key_ = false;
};

// Every shape that gets a definition of its own, in the order in which a reader meets them.
class Definitions {
 public:
  explicit Definitions(const Shape& root) { visit(root); }
  const std::vector<const Shape*>& shapes() const { return shapes_; }

 private:
  void visit(const Shape& shape) {
    if (shape.kind == Shape::Kind::scalar) return;
    auto known = std::ranges::find(shapes_, shape.name, &Shape::name);
    if (known != shapes_.end()) {
      OXBOW_ASSERT(*known == &shape, "two shapes of the grammar are called {}", shape.name);
      return;
    }
    shapes_.push_back(&shape);
    for (const auto& key : shape.keys) visit(*key.value);
    if (shape.element) visit(*shape.element);
    for (const auto* form : shape.forms) visit(*form);
  }

  std::vector<const Shape*> shapes_;
};

void write_scalar_fields(JsonWriter& json, const ScalarShape& scalar) {
  if (!scalar.words.empty()) {
    json.key("enum");
    json.open('[');
    for (auto word : scalar.words) scalar.may_be_boolean ? json.raw(word) : json.text(word);
    json.close(']');
    return;
  }
  std::string types = "\"string\"";
  if (scalar.may_be_number) types += ", \"number\"";
  if (scalar.may_be_boolean) types += ", \"boolean\"";
  json.field_raw("type", scalar.may_be_number || scalar.may_be_boolean ? "[" + types + "]" : types);
  if (!scalar.pattern.empty()) json.field("pattern", scalar.pattern);
}

// A scalar in place, anything else by reference.
void write_use(JsonWriter& json, const Shape& shape, std::string_view doc) {
  json.open('{');
  if (!doc.empty()) json.field("description", doc);
  if (shape.kind == Shape::Kind::scalar) {
    write_scalar_fields(json, *shape.scalar);
  } else {
    json.field("$ref", fmt::format("#/$defs/{}", shape.name));
  }
  json.close('}');
}

void write_object_fields(JsonWriter& json, const Shape& shape) {
  json.field("type", "object");
  json.key("properties");
  json.open('{');
  for (const auto& key : shape.keys) {
    json.key(key.name);
    write_use(json, *key.value, key.doc);
  }
  json.close('}');
  if (std::ranges::any_of(shape.keys, &KeyShape::required)) {
    json.key("required");
    json.open('[');
    for (const auto& key : shape.keys)
      if (key.required) json.text(key.name);
    json.close(']');
  }
  json.field_raw("additionalProperties", "false");
}

void write_map_fields(JsonWriter& json, const Shape& shape) {
  json.field("type", "object");
  json.field_raw("minProperties", "1");
  if (!shape.map_key->pattern.empty())
    json.field_raw("propertyNames", fmt::format("{{\"pattern\": {}}}", quoted_json(shape.map_key->pattern)));
  json.key("additionalProperties");
  write_use(json, *shape.element, {});
}

void write_fields(JsonWriter& json, const Shape& shape) {
  switch (shape.kind) {
    case Shape::Kind::scalar:
      return;
    case Shape::Kind::object:
      return write_object_fields(json, shape);
    case Shape::Kind::map:
      return write_map_fields(json, shape);
    case Shape::Kind::list:
      json.field("type", "array");
      json.field_raw("minItems", "1");
      json.key("items");
      return write_use(json, *shape.element, {});
    case Shape::Kind::forms:
      json.key("anyOf");
      json.open('[');
      for (const auto* form : shape.forms) write_use(json, *form, {});
      return json.close(']');
  }
}

}  // namespace

std::string json_schema() {
  const auto& root = spec_shape();
  JsonWriter json;
  json.open('{');
  json.field("$schema", "https://json-schema.org/draft/2020-12/schema");
  json.field("title", "oxbow.yaml: the spec of a migration");
  json.field("$ref", fmt::format("#/$defs/{}", root.name));
  json.key("$defs");
  json.open('{');
  for (const auto* shape : Definitions(root).shapes()) {
    json.key(shape->name);
    json.open('{');
    write_fields(json, *shape);
    json.close('}');
  }
  json.close('}');
  json.close('}');
  return json.take();
}

}  // namespace oxbow
