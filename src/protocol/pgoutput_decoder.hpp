// Decodes what PostgreSQL's output plugin pgoutput sends, versions 14 to 17, for START_REPLICATION with
// proto_version '1' (or '2' and streaming 'on'), binary 'true' and messages 'true'. Rows become tuples of
// model/tuple.hpp as they are: binary values are never looked into.
//
// One decoder serves one stream, from its start: the server sends the shape of a relation once, before its
// first row. Not for several threads at once.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "base/result.hpp"
#include "model/change.hpp"

namespace oxbow {

class ByteReader;

class PgoutputDecoder {
 public:
  // One message, and where it stands in the log (for error texts). Nothing for a message without meaning to
  // us (the name of a type). `malformed` for bytes that do not follow the format; `unsupported` if a value
  // came as text, because its type has no binary form. After an error the stream cannot go on.
  Result<std::optional<LogEvent>> decode(std::string_view message, Lsn at);

  // The (sub)transaction that the last message was made by; 0 outside a part of a streamed transaction. One
  // that was rolled back may be among them, and the log tells it only afterwards.
  std::uint32_t part_xid() const { return part_xid_; }

 private:
  Result<std::optional<LogEvent>> decode_body(char kind, ByteReader& reader);
  Result<LogEvent> decode_part_start(ByteReader& reader, Lsn at);
  Result<LogEvent> decode_insert(ByteReader& reader);
  Result<LogEvent> decode_update(ByteReader& reader);
  Result<LogEvent> decode_delete(ByteReader& reader);
  Result<const Relation*> find_relation(ByteReader& reader) const;

  std::unordered_map<RelationId, Relation> relations_;
  bool in_part_ = false;
  std::uint32_t part_xid_ = 0;
};

}  // namespace oxbow
