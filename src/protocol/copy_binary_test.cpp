#include "protocol/copy_binary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/tuple.hpp"

namespace oxbow {
namespace {

using testing::HasSubstr;
using namespace std::string_view_literals;

std::string tuple(std::initializer_list<Field> fields) {
  return make_tuple_bytes(std::vector<Field>(fields));
}

const std::string kFirst = tuple({Field::value("one"), Field::null()});
const std::string kSecond = tuple({Field::value(""), Field::value("two")});

std::string header() {
  return std::string(copy_binary_header());
}
std::string trailer() {
  return std::string(copy_binary_trailer());
}

// The error text of a stream of one piece, or nothing if it is taken.
std::string refusal_of(std::string_view piece) {
  CopyBinaryReader reader;
  std::string out;
  auto rows = reader.read(piece, out);
  EXPECT_EQ(out.empty(), !rows);
  return rows ? "" : rows.error().detail;
}

TEST(CopyBinaryReader, TakesTheFrameOffRows) {
  CopyBinaryReader reader;
  std::string out;
  EXPECT_EQ(reader.read(header() + kFirst, out), 1u);
  EXPECT_EQ(reader.read(kSecond + kFirst, out), 2u);
  EXPECT_FALSE(reader.complete());
  EXPECT_EQ(reader.read(trailer(), out), 0u);
  EXPECT_TRUE(reader.complete());
  EXPECT_EQ(out, kFirst + kSecond + kFirst);
}

TEST(CopyBinaryReader, TakesAHeaderThatArrivesInPieces) {
  for (std::size_t cut = 0; cut <= header().size(); ++cut) {
    CopyBinaryReader reader;
    std::string out;
    EXPECT_EQ(reader.read(header().substr(0, cut), out), 0u);
    EXPECT_EQ(reader.read(header().substr(cut) + kFirst + trailer(), out), 1u) << cut;
    EXPECT_TRUE(reader.complete());
    EXPECT_EQ(out, kFirst);
  }
}

TEST(CopyBinaryReader, SkipsAnExtensionOfTheHeader) {
  auto extended = header();
  extended.back() = 5;
  CopyBinaryReader reader;
  std::string out;
  EXPECT_EQ(reader.read(extended + "abc", out), 0u);
  EXPECT_EQ(reader.read("de" + kFirst, out), 1u);
  EXPECT_EQ(out, kFirst);
}

TEST(CopyBinaryReader, RefusesWhatIsNoSuchStream) {
  EXPECT_EQ(refusal_of("PGCOPY\n\r\n"), "this is not a COPY BINARY stream");
  EXPECT_EQ(refusal_of("4711\tcup\n"), "this is not a COPY BINARY stream");
  auto with_oids = header();
  with_oids[12] = 1;
  EXPECT_EQ(refusal_of(with_oids), "a COPY stream has flags 0x00010000, which have no meaning here");
  auto huge = header();
  huge[15] = 0x7f;
  EXPECT_EQ(refusal_of(huge), "a COPY stream has a header extension of 2130706432 bytes");
}

TEST(CopyBinaryReader, RefusesARowThatIsCut) {
  for (std::size_t size = 1; size < kFirst.size(); ++size)
    EXPECT_THAT(refusal_of(header() + kFirst.substr(0, size)), HasSubstr("a row ends inside")) << size;
}

TEST(CopyBinaryReader, RefusesWhatFollowsTheTrailer) {
  EXPECT_EQ(refusal_of(header() + kFirst + trailer() + "x"), "1 bytes follow the end of a COPY stream");
  CopyBinaryReader reader;
  std::string out;
  ASSERT_TRUE(reader.read(header() + trailer(), out));
  EXPECT_FALSE(reader.read(kFirst, out));
  EXPECT_FALSE(reader.read(trailer(), out));
  EXPECT_EQ(out, "");
}

TEST(NextTuple, WalksTuplesOneBehindTheOther) {
  auto all = kFirst + kSecond;
  std::string_view rest = all;
  EXPECT_EQ(tuple_size(rest), kFirst.size());
  EXPECT_EQ(next_tuple(rest), kFirst);
  EXPECT_EQ(next_tuple(rest), kSecond);
  EXPECT_TRUE(rest.empty());
}

TEST(NextTuple, RefusesLengthsThatMeanNothing) {
  auto refusal = [](std::string_view bytes) { return next_tuple(bytes).error().detail; };
  EXPECT_EQ(refusal("\0\1\377\377\377\375"sv), "field 0 of a row has the length -3");
  EXPECT_EQ(refusal("\200\0"sv), "a row has -32768 fields");
  EXPECT_EQ(refusal("\0\2\0\0\0\0"sv), "a row ends inside field 1");
  EXPECT_EQ(refusal("\0"sv), "a row ends inside its field count");
}

}  // namespace
}  // namespace oxbow
