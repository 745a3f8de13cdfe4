#include <gtest/gtest.h>

#include "model/catalog.hpp"
#include "model/position.hpp"
#include "model/tuple.hpp"

namespace oxbow {
namespace {

TEST(Lsn, PrintsAndParsesAsPostgresDoes) {
  EXPECT_EQ(to_string(Lsn(0x16B374D848)), "16/B374D848");
  EXPECT_EQ(*parse_lsn("16/B374D848"), Lsn(0x16B374D848));
  EXPECT_FALSE(parse_lsn("16B374D848"));
  EXPECT_FALSE(parse_lsn("/"));
}

TEST(Snapshot, SeesWhatHadFinished) {
  auto snapshot = *parse_snapshot("10:20:12,15");
  EXPECT_TRUE(snapshot.sees(Xid(9)));
  EXPECT_TRUE(snapshot.sees(Xid(11)));
  EXPECT_FALSE(snapshot.sees(Xid(12)));
  EXPECT_FALSE(snapshot.sees(Xid(20)));
  EXPECT_EQ(to_string(snapshot), "10:20:12,15");
  EXPECT_EQ(to_string(*parse_snapshot("10:10:")), "10:10:");
  EXPECT_FALSE(parse_snapshot("10:x:"));
}

TEST(Xid, WidensToTheNearestEpoch) {
  Xid reference((7ull << 32) + 5);
  EXPECT_EQ(widen(4, reference), Xid((7ull << 32) + 4));
  EXPECT_EQ(widen(0xfffffff0u, reference), Xid((6ull << 32) + 0xfffffff0u));
  EXPECT_EQ(widen(6, Xid((7ull << 32) + 0xffffffffu)), Xid((8ull << 32) + 6));
}

TEST(Tuple, KeepsValueNullAndUnsentApart) {
  auto bytes =
      make_tuple_bytes(std::vector{Field::value("ab"), Field::null(), Field::unsent(), Field::value("")});
  std::vector<Field> fields;
  read_fields(bytes, fields);
  ASSERT_EQ(fields.size(), 4u);
  EXPECT_EQ(fields[0], Field::value("ab"));
  EXPECT_TRUE(fields[1].is_null());
  EXPECT_TRUE(fields[2].is_unsent());
  EXPECT_EQ(fields[3], Field::value(""));
  EXPECT_TRUE(has_unsent(bytes));
  EXPECT_TRUE(validate_tuple(bytes, 4));
  EXPECT_FALSE(validate_tuple(bytes, 3));
  EXPECT_FALSE(validate_tuple(std::string_view(bytes).substr(0, 9), 4));
}

TEST(Catalog, QuotesWhatPeopleInvent) {
  EXPECT_EQ(quoted({"we\"ird", "Größe"}), "\"we\"\"ird\".\"Größe\"");
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
  EXPECT_EQ(quote_literal("a\\b"), " E'a\\\\b'");
}

TEST(Catalog, KnowsReplicaIdentitiesByTheirLetter) {
  EXPECT_EQ(to_replica_identity('d'), ReplicaIdentity::default_key);
  EXPECT_EQ(to_replica_identity('n'), ReplicaIdentity::nothing);
  EXPECT_EQ(to_replica_identity('f'), ReplicaIdentity::full);
  EXPECT_EQ(to_replica_identity('i'), ReplicaIdentity::index);
  EXPECT_EQ(to_replica_identity('z'), std::nullopt);
}

}  // namespace
}  // namespace oxbow
