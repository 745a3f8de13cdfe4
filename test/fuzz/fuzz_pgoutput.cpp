// The input is a stream of log messages, each behind its length in two bytes, for one decoder. What it takes
// for a row must be a tuple with as many fields as the relation has.
#include <cstdint>
#include <map>

#include "base/assert.hpp"
#include "model/tuple.hpp"
#include "protocol/pgoutput_decoder.hpp"
#include "protocol/replication_stream.hpp"

namespace {

using namespace oxbow;

class RowChecker {
 public:
  void operator()(const Relation& relation) { fields_[relation.id] = relation.columns.size(); }
  void operator()(const Insert& insert) { check(insert.relation, insert.after); }
  void operator()(const Delete& change) { check(change.relation, change.before); }
  void operator()(const Update& update) {
    check(update.relation, update.after);
    if (!update.before.empty()) check(update.relation, update.before);
  }
  void operator()(const auto&) {}

 private:
  void check(RelationId relation, std::string_view tuple) {
    auto valid = validate_tuple(tuple, static_cast<std::uint16_t>(fields_.at(relation)));
    OXBOW_ASSERT(valid, "{}", valid.error().detail);
  }

  std::map<RelationId, std::size_t> fields_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::ignore = decode_replication_message(rest);

  PgoutputDecoder decoder;
  RowChecker check;
  while (rest.size() >= 2) {
    std::size_t length = static_cast<unsigned char>(rest[0]) | static_cast<unsigned char>(rest[1]) << 8;
    rest.remove_prefix(2);
    auto message = rest.substr(0, length);
    rest.remove_prefix(message.size());
    auto event = decoder.decode(message, Lsn(0));
    if (event && *event) std::visit(check, **event);
  }
  return 0;
}
