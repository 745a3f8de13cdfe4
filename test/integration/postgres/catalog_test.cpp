#include <fmt/core.h>

#include "adapters/postgres/catalog_reader.hpp"
#include "integration/postgres/fixture.hpp"
#include "runtime/real_clock.hpp"

namespace oxbow::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class CatalogTest : public DatabaseTest {
 protected:
  Catalog read() { return must(read_catalog(*other_)); }

  Table read_table(const std::string& name) {
    Catalog catalog = read();
    const Table* table = catalog.find({"public", name});
    EXPECT_NE(table, nullptr) << name;
    return table ? *table : Table();
  }

  Column read_column(const std::string& table, const std::string& name) {
    Table made = read_table(table);
    const Column* column = made.find_column(name);
    EXPECT_NE(column, nullptr) << name;
    return column ? *column : Column();
  }
};

TEST_F(CatalogTest, SaysWhichServerAndDatabaseItIs) {
  Catalog catalog = read();
  EXPECT_GE(catalog.server_version, 140000);
  EXPECT_EQ(catalog.database, database_);
  EXPECT_EQ(catalog.encoding, "UTF8");
}

TEST_F(CatalogTest, ListsColumnsInOrderWithoutDroppedOnes) {
  sql("CREATE TABLE public.t (a int, gone int, \"Größe \"\"x\"\"\" numeric(10,2) NOT NULL DEFAULT 1.5)");
  sql("ALTER TABLE public.t DROP COLUMN gone");
  Table table = read_table("t");
  ASSERT_THAT(table.columns, SizeIs(2));
  EXPECT_EQ(table.columns[0].name, "a");
  EXPECT_TRUE(table.columns[0].nullable);
  EXPECT_EQ(table.columns[1].name, "Größe \"x\"");
  EXPECT_EQ(table.columns[1].type.sql, "numeric(10,2)");
  EXPECT_EQ(table.columns[1].default_sql, "1.5");
  EXPECT_FALSE(table.columns[1].nullable);
}

TEST_F(CatalogTest, ResolvesWhatTypesAreMadeOf) {
  sql("CREATE TYPE public.mood AS ENUM ('sad', 'it''s \"ok\"', 'happy'); ALTER TYPE public.mood ADD VALUE "
      "'so-so' AFTER 'sad';"
      "CREATE DOMAIN public.price AS numeric(12,4) CHECK (VALUE >= 0); CREATE DOMAIN public.net AS "
      "public.price;"
      "CREATE TYPE public.pair AS (a int, b text);"
      "CREATE TABLE public.t (m public.mood, ms public.mood[], n public.net, r int4range, mr tsmultirange, p "
      "public.pair)");
  Type mood = read_column("t", "m").type;
  EXPECT_EQ(mood.kind, TypeKind::enumeration);
  EXPECT_EQ(mood.sql, "public.mood");
  EXPECT_THAT(mood.labels, ElementsAre("sad", "so-so", "it's \"ok\"", "happy"));
  Type moods = read_column("t", "ms").type;
  EXPECT_EQ(moods.kind, TypeKind::array);
  ASSERT_THAT(moods.inner, SizeIs(1));
  EXPECT_EQ(moods.inner[0], mood);
  Type net = read_column("t", "n").type;
  EXPECT_EQ(net.kind, TypeKind::domain);
  EXPECT_EQ(base_type(net).name, "numeric");
  EXPECT_EQ(base_type(net).modifier, ((12 << 16) | 4) + 4);
  EXPECT_EQ(read_column("t", "r").type.inner.at(0).name, "int4");
  EXPECT_EQ(read_column("t", "mr").type.kind, TypeKind::multirange);
  EXPECT_EQ(read_column("t", "mr").type.inner.at(0).name, "timestamp");
  EXPECT_EQ(read_column("t", "p").type.kind, TypeKind::composite);
}

TEST_F(CatalogTest, KnowsGeneratedAndIdentityColumns) {
  sql("CREATE TABLE public.t (id int GENERATED ALWAYS AS IDENTITY, a int, b int GENERATED ALWAYS AS (a * 2) "
      "STORED)");
  EXPECT_TRUE(read_column("t", "id").identity_always);
  EXPECT_TRUE(read_column("t", "b").generated);
  EXPECT_EQ(read_column("t", "b").default_sql, std::nullopt);
}

TEST_F(CatalogTest, TellsTheOrderOfBytesFromTheOrderOfALocale) {
  sql("CREATE TABLE public.t (a text COLLATE \"C\", b text, c text COLLATE \"POSIX\", d int)");
  EXPECT_TRUE(read_column("t", "a").collation_is_c);
  EXPECT_FALSE(read_column("t", "b").collation_is_c);
  EXPECT_TRUE(read_column("t", "c").collation_is_c);
  EXPECT_TRUE(read_column("t", "d").collation_is_c);
}

TEST_F(CatalogTest, ListsIndexesWithThePrimaryKeyFirst) {
  sql("CREATE TABLE public.t (a int, b int, c text, PRIMARY KEY (b, a), UNIQUE (c) DEFERRABLE);"
      "CREATE UNIQUE INDEX a_part ON public.t (a) INCLUDE (c) WHERE b > 0; CREATE INDEX b_low ON public.t "
      "(lower(c))");
  Table table = read_table("t");
  ASSERT_THAT(table.indexes, SizeIs(4));
  EXPECT_TRUE(table.indexes[0].primary);
  EXPECT_THAT(table.indexes[0].columns, ElementsAre("b", "a"));
  EXPECT_TRUE(table.indexes[1].partial);
  EXPECT_THAT(table.indexes[1].columns, ElementsAre("a"));
  EXPECT_THAT(table.indexes[2].columns, ElementsAre());
  EXPECT_FALSE(table.indexes[3].immediate);
}

TEST_F(CatalogTest, SeesPartitionsTheirRootAndItsSize) {
  sql("CREATE TABLE public.t (id int PRIMARY KEY) PARTITION BY RANGE (id);"
      "CREATE TABLE public.t1 PARTITION OF public.t FOR VALUES FROM (0) TO (1000);"
      "CREATE TABLE public.t2 PARTITION OF public.t FOR VALUES FROM (1000) TO (2000);"
      "INSERT INTO public.t SELECT generate_series(500, 1499)");
  sql("ANALYZE public.t");
  Table root = read_table("t");
  EXPECT_TRUE(root.partitioned);
  EXPECT_FALSE(root.is_partition);
  EXPECT_EQ(root.estimated_rows, 1000);
  EXPECT_GT(root.bytes, 0u);
  EXPECT_TRUE(read_table("t1").is_partition);
}

TEST_F(CatalogTest, SeesReplicaIdentityAndRowSecurity) {
  sql("CREATE TABLE public.t (id int NOT NULL); CREATE UNIQUE INDEX t_id ON public.t (id);"
      "ALTER TABLE public.t REPLICA IDENTITY USING INDEX t_id; ALTER TABLE public.t ENABLE ROW LEVEL "
      "SECURITY;"
      "CREATE TABLE public.u (id int); ALTER TABLE public.u REPLICA IDENTITY FULL");
  Table table = read_table("t");
  EXPECT_EQ(table.replica_identity, ReplicaIdentity::index);
  EXPECT_EQ(table.replica_identity_index, "t_id");
  EXPECT_TRUE(table.has_row_security);
  EXPECT_EQ(read_table("u").replica_identity, ReplicaIdentity::full);
}

TEST_F(CatalogTest, DoesNotListOurOwnSchemaOrTheServers) {
  sql("CREATE SCHEMA oxbow; CREATE TABLE oxbow.t (a int); CREATE TABLE public.u (a int)");
  EXPECT_THAT(read().tables, SizeIs(1));
}

TEST_F(CatalogTest, ReadsATableOf1600Columns) {
  std::string columns = "c0 int";
  for (int i = 1; i < 1600; ++i) columns += fmt::format(", c{} text", i);
  sql("CREATE TABLE public.wide (" + columns + ")");
  EXPECT_THAT(read_table("wide").columns, SizeIs(1600));
}

}  // namespace
}  // namespace oxbow::postgres
