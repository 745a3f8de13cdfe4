#include "protocol/pgoutput_decoder.hpp"

#include "protocol/byte_reader.hpp"
#include "protocol/replication_stream.hpp"

namespace oxbow {
namespace {

constexpr std::int32_t kNullLength = -1;
constexpr std::int32_t kUnsentLength = -2;
constexpr std::size_t kLengthBytes = sizeof(std::int32_t);

// Which old or new row follows in a change.
constexpr char kNewRow = 'N';
constexpr char kOldRow = 'O';
constexpr char kOldKey = 'K';

// A letter of the protocol in an error text, whatever byte stands there.
std::string shown(char letter) {
  bool printable = letter > ' ' && letter <= '~';
  return printable ? fmt::format("'{}'", letter) : fmt::format("{:#04x}", static_cast<unsigned char>(letter));
}

Begin decode_begin(ByteReader& reader) {
  Begin begin;
  begin.final_lsn = Lsn(reader.number<std::uint64_t>());
  begin.committed_at = wall_time_of(reader.number<std::int64_t>());
  begin.xid = reader.number<std::uint32_t>();
  return begin;
}

// A rolled back subtransaction, or the whole one: who streams has asked before whether it is committed.
Status decode_abort(ByteReader& reader) {
  auto xid = reader.number<std::uint32_t>();
  bool is_whole = reader.number<std::uint32_t>() == xid;
  if (is_whole && !reader.is_short())
    return Err(ErrorCode::needs_care, "transaction {} was rolled back while it was streamed", xid);
  return {};
}

Commit decode_commit(ByteReader& reader) {
  reader.number<std::uint8_t>();  // flags, none defined
  Commit commit;
  commit.commit_lsn = Lsn(reader.number<std::uint64_t>());
  commit.end_lsn = Lsn(reader.number<std::uint64_t>());
  commit.committed_at = wall_time_of(reader.number<std::int64_t>());
  return commit;
}

Origin decode_origin(ByteReader& reader) {
  reader.number<std::uint64_t>();  // where it committed at its origin
  return Origin{std::string(reader.zero_terminated())};
}

Message decode_message(ByteReader& reader) {
  constexpr std::uint8_t kTransactional = 1;
  Message message;
  message.transactional = (reader.number<std::uint8_t>() & kTransactional) != 0;
  message.lsn = Lsn(reader.number<std::uint64_t>());
  message.prefix = reader.zero_terminated();
  message.content = reader.bytes(reader.number<std::uint32_t>());
  return message;
}

Truncate decode_truncate(ByteReader& reader) {
  Truncate truncate;
  auto count = reader.number<std::uint32_t>();
  // CASCADE has been worked out by the server and RESTART IDENTITY concerns sequences: neither changes which
  // rows go.
  reader.number<std::uint8_t>();
  for (std::uint32_t i = 0; i < count && !reader.is_short(); ++i)
    truncate.relations.push_back(RelationId(reader.number<std::uint32_t>()));
  return truncate;
}

Result<Relation> decode_relation(ByteReader& reader) {
  constexpr std::uint8_t kInIdentity = 1;
  Relation relation;
  relation.id = RelationId(reader.number<std::uint32_t>());
  relation.name.schema = reader.zero_terminated();
  if (relation.name.schema.empty()) relation.name.schema = "pg_catalog";
  relation.name.name = reader.zero_terminated();
  auto letter = reader.number<char>();
  auto count = reader.number<std::uint16_t>();
  for (std::size_t i = 0; i < count && !reader.is_short(); ++i) {
    Relation::Column column;
    column.in_identity = (reader.number<std::uint8_t>() & kInIdentity) != 0;
    column.name = reader.zero_terminated();
    column.type_oid = reader.number<std::uint32_t>();
    column.type_modifier = reader.number<std::int32_t>();
    relation.columns.push_back(std::move(column));
  }
  auto identity = to_replica_identity(letter);
  if (!identity) {
    return Err(ErrorCode::malformed, "the replica identity of {} is {}", to_string(relation.name),
               shown(letter));
  }
  relation.identity = *identity;
  return relation;
}

std::unexpected<Error> text_value(const Relation& relation, std::size_t column) {
  return Err(ErrorCode::unsupported,
             "column {} of {} came as text, because its type has no binary form; exclude the column or "
             "change its type",
             quote_identifier(relation.columns[column].name), to_string(relation.name));
}

// Appends a row to `out` in the layout of model/tuple.hpp, which differs only in how it marks a value that is
// missing. Of an old key only the fields of the identity are meant; the server fills the others with NULL.
Status decode_row(ByteReader& reader, const Relation& relation, char row_kind, std::string& out) {
  auto count = reader.number<std::uint16_t>();
  if (count != relation.columns.size() && !reader.is_short()) {
    return Err(ErrorCode::malformed, "a row of {} has {} fields where its shape has {}",
               to_string(relation.name), count, relation.columns.size());
  }
  append_big_endian(out, count);
  for (std::size_t i = 0; i < count && !reader.is_short(); ++i) {
    bool is_meant = row_kind != kOldKey || relation.columns[i].in_identity;
    switch (auto kind = reader.number<char>()) {
      case 'n':
        append_big_endian(out, is_meant ? kNullLength : kUnsentLength);
        break;
      case 'u':
        append_big_endian(out, kUnsentLength);
        break;
      case 'b': {
        auto field = reader.rest();
        auto length = reader.number<std::int32_t>();
        reader.bytes(static_cast<std::uint32_t>(length));
        if (reader.is_short()) break;
        if (is_meant) {
          out.append(field.data(), kLengthBytes + static_cast<std::size_t>(length));
        } else {
          append_big_endian(out, kUnsentLength);
        }
        break;
      }
      case 't':
        return text_value(relation, i);
      default:
        if (reader.is_short()) break;
        return Err(ErrorCode::malformed, "field {} of a row of {} has the unknown kind {}", i,
                   to_string(relation.name), shown(kind));
    }
  }
  return {};
}

// A row that ends the message: what it needs at most is known, so it is allocated once.
Status decode_last_row(ByteReader& reader, const Relation& relation, char row_kind, std::string& out) {
  constexpr std::size_t kGrowth = kLengthBytes - 1;  // a missing value is one byte in the message
  out.reserve(reader.rest().size() + kGrowth * relation.columns.size());
  return decode_row(reader, relation, row_kind, out);
}

std::unexpected<Error> unexpected_row(char kind) {
  return Err(ErrorCode::malformed, "a row of unexpected kind {} follows", shown(kind));
}

}  // namespace

Result<std::optional<LogEvent>> PgoutputDecoder::decode(std::string_view message, Lsn at) {
  ByteReader reader(message);
  auto kind = reader.number<char>();
  constexpr std::string_view kMadeBySomebody = "IUDTRYM";
  part_xid_ = in_part_ && kMadeBySomebody.contains(kind) ? reader.number<std::uint32_t>() : 0;
  auto event = kind == 'S' ? decode_part_start(reader, at) : decode_body(kind, reader);
  // A short message may look like any other mistake, so this is asked first.
  if (reader.is_short()) {
    return Err(ErrorCode::malformed, "log message {} at {} ends early, after {} bytes", shown(kind),
               to_string(at), message.size());
  }
  if (!event) {
    return Err(event.error().code, "log message {} at {}: {}", shown(kind), to_string(at),
               event.error().detail);
  }
  if (!reader.rest().empty()) {
    return Err(ErrorCode::malformed, "log message {} at {} is followed by {} bytes more", shown(kind),
               to_string(at), reader.rest().size());
  }
  // Only now: a message that is refused leaves no trace.
  if (*event && std::holds_alternative<Relation>(**event)) {
    const auto& relation = std::get<Relation>(**event);
    relations_[relation.id] = relation;
  }
  return event;
}

Result<std::optional<LogEvent>> PgoutputDecoder::decode_body(char kind, ByteReader& reader) {
  switch (kind) {
    case 'I':
      return decode_insert(reader);
    case 'U':
      return decode_update(reader);
    case 'D':
      return decode_delete(reader);
    case 'B':
      return decode_begin(reader);
    case 'C':
      return decode_commit(reader);
    case 'R':
      return decode_relation(reader);
    case 'T':
      return decode_truncate(reader);
    case 'M':
      return decode_message(reader);
    case 'O':
      return decode_origin(reader);
    case 'E':
      in_part_ = false;
      return PartEnd{};
    case 'c': {
      auto xid = reader.number<std::uint32_t>();
      auto commit = decode_commit(reader);
      commit.xid = xid;
      return commit;
    }
    case 'A':
      TRY(decode_abort(reader));
      return std::nullopt;
    case 'Y':
      reader.number<std::uint32_t>();
      reader.zero_terminated();
      reader.zero_terminated();
      return std::nullopt;
    default:
      return Err(ErrorCode::malformed, "its kind is unknown");
  }
}

Result<LogEvent> PgoutputDecoder::decode_part_start(ByteReader& reader, Lsn at) {
  auto xid = reader.number<std::uint32_t>();
  bool is_first = reader.number<std::uint8_t>() != 0;
  in_part_ = true;
  part_xid_ = xid;
  if (!is_first) return NextPart{xid};
  return Begin{.final_lsn = at, .committed_at = {}, .xid = xid, .in_parts = true};
}

Result<LogEvent> PgoutputDecoder::decode_insert(ByteReader& reader) {
  const auto& relation = *TRY(find_relation(reader));
  if (auto row_kind = reader.number<char>(); row_kind != kNewRow) return unexpected_row(row_kind);
  Insert insert{relation.id, {}};
  TRY(decode_last_row(reader, relation, kNewRow, insert.after));
  return insert;
}

Result<LogEvent> PgoutputDecoder::decode_update(ByteReader& reader) {
  const auto& relation = *TRY(find_relation(reader));
  Update update{relation.id, {}, {}};
  auto row_kind = reader.number<char>();
  if (row_kind == kOldKey || row_kind == kOldRow) {
    TRY(decode_row(reader, relation, row_kind, update.before));
    row_kind = reader.number<char>();
  }
  if (row_kind != kNewRow) return unexpected_row(row_kind);
  TRY(decode_last_row(reader, relation, kNewRow, update.after));
  return update;
}

Result<LogEvent> PgoutputDecoder::decode_delete(ByteReader& reader) {
  const auto& relation = *TRY(find_relation(reader));
  auto row_kind = reader.number<char>();
  if (row_kind != kOldKey && row_kind != kOldRow) return unexpected_row(row_kind);
  Delete change{relation.id, {}};
  TRY(decode_last_row(reader, relation, row_kind, change.before));
  return change;
}

Result<const Relation*> PgoutputDecoder::find_relation(ByteReader& reader) const {
  RelationId id(reader.number<std::uint32_t>());
  auto at = relations_.find(id);
  if (at == relations_.end())
    return Err(ErrorCode::malformed, "the shape of relation {} has not been sent", id.value());
  return &at->second;
}

}  // namespace oxbow
