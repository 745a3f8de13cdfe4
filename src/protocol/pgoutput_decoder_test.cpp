#include "protocol/pgoutput_decoder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "model/tuple.hpp"

namespace oxbow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string unhex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  return bytes;
}

// Values as a reader can check them: short text as it is, the rest in hex.
std::string describe_value(std::string_view bytes) {
  bool printable = !bytes.empty() && std::ranges::all_of(bytes, [](char c) { return c >= ' ' && c <= '~'; });
  if (bytes.size() > 20) return fmt::format("<{} bytes>", bytes.size());
  if (printable) return fmt::format("'{}'", bytes);
  std::string text;
  for (char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

std::string describe_row(std::string_view tuple) {
  std::string text = "(";
  for (FieldReader reader(tuple); !reader.done();) {
    auto field = reader.next();
    if (text.size() > 1) text += ' ';
    text += field.is_null() ? "null" : field.is_unsent() ? "unsent" : describe_value(field.bytes);
  }
  return text + ")";
}

// An event as one line. Tables are named as the events before it have named them.
class Describer {
 public:
  std::string operator()(const Begin& begin) { return begin.in_parts ? "begin in parts" : "begin"; }
  std::string operator()(const PartEnd&) { return "pause"; }
  std::string operator()(const NextPart&) { return "resume"; }
  std::string operator()(const Commit& commit) {
    return commit.end_lsn > commit.commit_lsn ? "commit" : "commit that ends before its record";
  }
  std::string operator()(const Relation& relation) {
    names_[relation.id] = relation.name.name;
    auto text = fmt::format("relation {} identity {}:", to_string(relation.name),
                            static_cast<char>(relation.identity));
    for (const auto& column : relation.columns)
      text += fmt::format(" {}{}/{}/{}", column.in_identity ? "*" : "", column.name,
                          column.type_oid >= 16384 ? 0 : column.type_oid, column.type_modifier);
    return text;
  }
  std::string operator()(const Insert& insert) {
    return fmt::format("insert {} {}", names_[insert.relation], describe_row(insert.after));
  }
  std::string operator()(const Update& update) {
    auto before = update.before.empty() ? "" : describe_row(update.before) + " -> ";
    return fmt::format("update {} {}{}", names_[update.relation], before, describe_row(update.after));
  }
  std::string operator()(const Delete& change) {
    return fmt::format("delete {} {}", names_[change.relation], describe_row(change.before));
  }
  std::string operator()(const Truncate& truncate) {
    std::string text = "truncate";
    for (auto id : truncate.relations) text += " " + names_[id];
    return text;
  }
  std::string operator()(const Message& message) {
    return fmt::format("message {} '{}' '{}'", message.transactional ? "inside" : "outside", message.prefix,
                       message.content);
  }
  std::string operator()(const Origin& origin) { return "origin " + origin.name; }
  std::string operator()(const Keepalive&) { return "keepalive"; }

 private:
  std::map<RelationId, std::string> names_;
};

// What a server sent; see tools/make_pgoutput_transcript.py.
struct TranscriptLine {
  Lsn at;
  std::string message;
};

std::vector<TranscriptLine> read_transcript() {
  std::ifstream file(OXBOW_SOURCE_DIR "/test/golden/pgoutput.txt");
  std::vector<TranscriptLine> lines;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    auto tab = line.find('\t');
    lines.push_back({parse_lsn(line.substr(0, tab)).value(), unhex(line.substr(tab + 1))});
  }
  return lines;
}

constexpr auto kItemShape =
    "relation oxbow_golden.item identity d: *id/20/-1 label/25/-1 price/1700/655366 mood/0/-1";
constexpr auto kWholeShape = "relation oxbow_golden.whole identity f: *a/23/-1 *b/25/-1";

TEST(PgoutputDecoder, UnderstandsWhatAServerSends) {
  PgoutputDecoder decoder;
  Describer describe;
  std::vector<std::string> events;
  std::string refusal;
  for (const auto& [at, message] : read_transcript()) {
    auto event = decoder.decode(message, at);
    if (!event) {
      refusal = event.error().detail;
      break;
    }
    if (*event) events.push_back(std::visit(describe, **event));
  }
  EXPECT_THAT(
      events,
      ElementsAre("begin", kItemShape,                                                            //
                  "insert item (0000000000000001 'cup' 0002000000000002000c1388 'ok')",           //
                  "insert item (0000000000000002 null null null)", "commit",                      //
                  "begin", "update item (0000000000000001 'mug' 0002000000000002000c1388 'ok')",  //
                  "commit",                                                                       //
                  "begin",                                                                        //
                  "update item (0000000000000002 unsent unsent unsent) -> (0000000000000007 null null null)",
                  "commit",                                                                             //
                  "begin", "delete item (0000000000000007 unsent unsent unsent)", "commit",             //
                  "begin", kWholeShape, "insert whole (00000001 null)", "commit",                       //
                  "begin", "update whole (00000001 null) -> (00000001 'x')", "commit",                  //
                  "begin", "delete whole (00000001 'x')", "commit",                                     //
                  "begin", "relation oxbow_golden.large identity d: *id/23/-1 small/23/-1 body/25/-1",  //
                  "insert large (00000001 00000001 <4000 bytes>)", "commit",                            //
                  "begin", "update large (00000001 00000002 unsent)", "commit",                         //
                  "begin", kItemShape, kWholeShape, "truncate item whole", "commit",                    //
                  "message outside 'oxbow' 'marker'",                                                   //
                  "begin", kItemShape, "insert item (0000000000000003 null null null)",                 //
                  "message inside 'oxbow' ''", "commit",                                                //
                  "begin", "origin oxbow_golden", "insert item (0000000000000004 null null null)",      //
                  "commit",                                                                             //
                  "begin", std::string(kItemShape) + " extra/16/-1",                                    //
                  "insert item (0000000000000005 null null null 01)", "commit",                         //
                  "begin", "relation oxbow_golden.legacy_type identity d: *id/23/-1 acl/1033/-1"));
  EXPECT_THAT(refusal, HasSubstr("column \"acl\" of oxbow_golden.legacy_type came as text"));
}

TEST(PgoutputDecoder, TellsPositionsTimesAndIds) {
  PgoutputDecoder decoder;
  auto begin = decoder.decode(unhex("42"
                                    "000000000265eac0"
                                    "000303c25b36b2ed"
                                    "00000ef8"),
                              Lsn(1));
  ASSERT_TRUE(begin && *begin);
  EXPECT_EQ(std::get<Begin>(**begin).final_lsn, parse_lsn("0/265EAC0"));
  EXPECT_EQ(std::get<Begin>(**begin).xid, 0xef8u);
  EXPECT_EQ(to_string(std::get<Begin>(**begin).committed_at), "2026-11-21T06:36:58.982125Z");

  auto commit = decoder.decode(unhex("43"
                                     "00"
                                     "000000000265eac0"
                                     "000000000265eaf0"
                                     "000303c25b36b2ed"),
                               Lsn(1));
  ASSERT_TRUE(commit && *commit);
  EXPECT_EQ(std::get<Commit>(**commit).commit_lsn, parse_lsn("0/265EAC0"));
  EXPECT_EQ(std::get<Commit>(**commit).end_lsn, parse_lsn("0/265EAF0"));

  auto message = decoder.decode(unhex("4d"
                                      "01"
                                      "00000000026633b0"
                                      "6f00"
                                      "00000002"
                                      "6869"),
                                Lsn(1));
  ASSERT_TRUE(message && *message);
  EXPECT_EQ(std::get<Message>(**message).lsn, parse_lsn("0/26633B0"));
}

TEST(PgoutputDecoder, ALargeTransactionComesInPartsWhoseMessagesNameTheirSubtransaction) {
  PgoutputDecoder decoder;
  Describer describe;
  auto decode = [&](std::string_view hex) -> std::string {
    auto event = decoder.decode(unhex(hex), Lsn(1));
    if (!event) return std::string(name(event.error().code));
    auto what = *event ? std::visit(describe, **event) : "nothing";
    return fmt::format("{} by {}", what, decoder.part_xid());
  };
  constexpr auto kRelationBody =
      "0000000170007400640001016100"
      "00000017ffffffff";
  EXPECT_EQ(decode("53"
                   "00000005"
                   "01"),
            "begin in parts by 5");
  EXPECT_EQ(decode("52"
                   "00000005" +
                   std::string(kRelationBody)),
            "relation p.t identity d: *a/23/-1 by 5");
  EXPECT_EQ(decode("49"
                   "00000006"
                   "00000001"
                   "4e0001"
                   "62"
                   "00000004"
                   "00000007"),
            "insert t (00000007) by 6");
  EXPECT_EQ(decode("45"), "pause by 0");
  EXPECT_EQ(decode("41"
                   "00000005"
                   "00000006"),
            "nothing by 0")
      << "a subtransaction was rolled back";
  EXPECT_EQ(decode("49"
                   "00000001"
                   "4e0001"
                   "62"
                   "00000004"
                   "00000008"),
            "insert t (00000008) by 0");
  EXPECT_EQ(decode("53"
                   "00000005"
                   "00"),
            "resume by 5");
  EXPECT_EQ(decode("45"), "pause by 0");
  EXPECT_EQ(decode("63"
                   "00000005"
                   "00"
                   "000000000265eac0"
                   "000000000265eaf0"
                   "000303c25b36b2ed"),
            "commit by 0");
  EXPECT_EQ(decode("41"
                   "00000005"
                   "00000005"),
            "needs_care")
      << "all of it was rolled back";
}

TEST(PgoutputDecoder, NeverTakesAnAbsentFieldOfAnOldKeyForNull) {
  PgoutputDecoder decoder;
  // Relation 1, public.t (a*, b), REPLICA IDENTITY DEFAULT.
  ASSERT_TRUE(decoder.decode(unhex("52"
                                   "00000001"
                                   "7000"
                                   "7400"
                                   "64"
                                   "0002"
                                   "01"
                                   "6100"
                                   "00000017"
                                   "ffffffff"
                                   "00"
                                   "6200"
                                   "00000017"
                                   "ffffffff"),
                             Lsn(1)));
  auto by_key = decoder.decode(unhex("44"
                                     "00000001"
                                     "4b"
                                     "0002"
                                     "62"
                                     "00000001"
                                     "41"
                                     "6e"),
                               Lsn(2));
  auto by_row = decoder.decode(unhex("44"
                                     "00000001"
                                     "4f"
                                     "0002"
                                     "62"
                                     "00000001"
                                     "41"
                                     "6e"),
                               Lsn(2));
  ASSERT_TRUE(by_key && by_row);
  EXPECT_EQ(describe_row(std::get<Delete>(**by_key).before), "('A' unsent)");
  EXPECT_EQ(describe_row(std::get<Delete>(**by_row).before), "('A' null)");
}

// Every message of the transcript, cut at every byte and with one byte too many.
TEST(PgoutputDecoder, RefusesAMessageThatIsCutOrTooLong) {
  PgoutputDecoder decoder;
  for (const auto& [at, message] : read_transcript()) {
    auto before = decoder;
    if (!decoder.decode(message, at)) continue;
    for (std::size_t size = 0; size < message.size(); ++size) {
      auto copy = before;
      auto event = copy.decode(std::string_view(message).substr(0, size), at);
      ASSERT_FALSE(event) << "message '" << message[0] << "' cut to " << size << " of " << message.size();
      EXPECT_THAT(event.error().detail, HasSubstr("ends early"));
    }
    auto longer = decoder.decode(message + 'x', at);
    ASSERT_FALSE(longer);
    EXPECT_THAT(longer.error().detail, HasSubstr("is followed by 1 bytes more"));
  }
}

// Relation 1, p.t (a*), REPLICA IDENTITY DEFAULT.
std::string one_column() {
  return unhex(
      "52"
      "00000001"
      "7000"
      "7400"
      "64"
      "0001"
      "01"
      "6100"
      "00000017"
      "ffffffff");
}

std::string refusal_of(std::string_view hex) {
  PgoutputDecoder decoder;
  EXPECT_TRUE(decoder.decode(one_column(), Lsn(1)));
  auto event = decoder.decode(unhex(hex), Lsn(0x10));
  EXPECT_FALSE(event);
  return event ? "" : event.error().detail;
}

TEST(PgoutputDecoder, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(refusal_of("58"), "log message 'X' at 0/10: its kind is unknown");
  EXPECT_EQ(refusal_of("ff"), "log message 0xff at 0/10: its kind is unknown");
  EXPECT_EQ(refusal_of("4900000002"
                       "4e"),
            "log message 'I' at 0/10: the shape of relation 2 has not been sent");
  EXPECT_EQ(refusal_of("4900000001"
                       "4e"
                       "0002"
                       "6e6e"),
            "log message 'I' at 0/10: a row of p.t has 2 fields where its shape has 1");
  EXPECT_EQ(refusal_of("4900000001"
                       "4e"
                       "0001"
                       "7a"),
            "log message 'I' at 0/10: field 0 of a row of p.t has the unknown kind 'z'");
  EXPECT_EQ(refusal_of("4900000001"
                       "4b"
                       "0001"
                       "6e"),
            "log message 'I' at 0/10: a row of unexpected kind 'K' follows");
  EXPECT_EQ(refusal_of("4400000001"
                       "4e"
                       "0001"
                       "6e"),
            "log message 'D' at 0/10: a row of unexpected kind 'N' follows");
  EXPECT_EQ(refusal_of("5500000001"
                       "4b"
                       "0001"
                       "6e"
                       "4b"),
            "log message 'U' at 0/10: a row of unexpected kind 'K' follows");
  EXPECT_EQ(refusal_of("52"
                       "00000001"
                       "7000"
                       "7400"
                       "7a"
                       "0000"),
            "log message 'R' at 0/10: the replica identity of p.t is 'z'");
}

TEST(PgoutputDecoder, RefusesAValueThatCameAsText) {
  EXPECT_EQ(refusal_of("4900000001"
                       "4e"
                       "0001"
                       "74"
                       "00000001"
                       "31"),
            "log message 'I' at 0/10: column \"a\" of p.t came as text, because its type has no binary form; "
            "exclude "
            "the column or change its type");
}

TEST(PgoutputDecoder, LearnsNothingFromAShapeThatItRefuses) {
  PgoutputDecoder decoder;
  ASSERT_FALSE(decoder.decode(unhex("52"
                                    "00000001"
                                    "7000"
                                    "7400"
                                    "64"
                                    "0000"
                                    "ff"),
                              Lsn(1)));
  EXPECT_FALSE(decoder.decode(unhex("4900000001"
                                    "4e"
                                    "0000"),
                              Lsn(2)));
}

TEST(PgoutputDecoder, FollowsAChangeOfShape) {
  PgoutputDecoder decoder;
  ASSERT_TRUE(decoder.decode(one_column(), Lsn(1)));
  ASSERT_TRUE(decoder.decode(unhex("52"
                                   "00000001"
                                   "7000"
                                   "7400"
                                   "64"
                                   "0000"),
                             Lsn(2)));
  EXPECT_TRUE(decoder.decode(unhex("4900000001"
                                   "4e"
                                   "0000"),
                             Lsn(3)));
}

}  // namespace
}  // namespace oxbow
