#include "core/spec/row_constraints.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/catalog_builder.hpp"

namespace oxbow {
namespace {

using namespace build;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Verdict = PreflightItem::Verdict;

// Authors and their books, whose new tables demand what the legacy ones do not.
class RowConstraints : public testing::Test {
 protected:
  Table authors =
      with_primary_key(table("old", "authors", {not_null("id", int8()), column("mail", text())}), {"id"});
  Table books = with_primary_key(
      table("old", "books", {not_null("id", int8()), column("author_id", int8()), column("isbn", text())}),
      {"id"});
  Table author =
      with_primary_key(table("lib", "author", {not_null("id", int8()), column("mail", text())}), {"id"});
  Table book = with_primary_key(table("lib", "book",
                                      {not_null("id", int8()), column("author_id", int8()),
                                       column("isbn", text()), column("shelf", int4())}),
                                {"id"});

  RowConstraints() {
    book.foreign_keys.push_back(
        {.name = "of", .columns = {"author_id"}, .parent = author.name, .parent_columns = {"id"}});
  }

  static Index unique(std::vector<std::string> columns) {
    return {.name = "u", .columns = columns, .unique = true, .key_sql = columns};
  }

  std::vector<ConstraintQuestion> ask(bool with_authors = true) {
    mappings_.clear();
    mappings_.reserve(2);
    std::vector<MappedTable> tables;
    if (with_authors) tables.push_back({map(authors, author, {}), &authors, &author});
    ColumnRule shelf{.op = ColumnOp::use_default, .new_side = {"shelf"}};
    tables.push_back({map(books, book, {shelf}), &books, &book});
    return questions_on_constraints(tables);
  }

 private:
  const TableMapping* map(const Table& legacy, const Table& new_side, std::vector<ColumnRule> rules) {
    TableSpec spec{.legacy = legacy.name, .new_side = new_side.name, .columns = std::move(rules)};
    EntitySpec entity{.name = "e", .key = "id", .tables = {spec}, .cohorts = {{.name = "all", .rest = true}}};
    auto compiled = compile_mapping(entity, spec, legacy, new_side);
    for (const auto& problem : compiled.problems) ADD_FAILURE() << problem.sentence;
    mappings_.push_back(std::move(*compiled.mapping));
    return &mappings_.back();
  }

  std::vector<TableMapping> mappings_;
};

TEST_F(RowConstraints, ForeignKeysAreAlwaysAskedAbout) {
  auto questions = ask();
  ASSERT_EQ(questions.size(), 1u);
  EXPECT_EQ(questions[0].constraint, "foreign key of (author_id) of lib.book");
  EXPECT_EQ(to_string(questions[0].legacy), "old.books");
  EXPECT_THAT(questions[0].sql, HasSubstr("\"old\".\"authors\""));
  EXPECT_THAT(questions[0].sql, HasSubstr("LIMIT 1000"));
}

TEST_F(RowConstraints, APartnerThatTheMigrationDoesNotFillIsUnknown) {
  auto questions = ask(false);
  ASSERT_EQ(questions.size(), 1u);
  EXPECT_THAT(questions[0].sql, IsEmpty());
  EXPECT_EQ(questions[0].why_unknown, "it refers to lib.author, which this migration does not fill");
}

TEST_F(RowConstraints, WhatALegacyIndexHoldsApartIsNotAskedAbout) {
  book.foreign_keys.clear();
  book.indexes.push_back(unique({"isbn"}));
  EXPECT_EQ(ask().size(), 1u);
  books.indexes.push_back(unique({"isbn"}));
  EXPECT_THAT(ask(), IsEmpty());
  books.indexes.back().partial = true;
  EXPECT_EQ(ask().size(), 1u);
  books.indexes.back() = unique({"isbn", "author_id"});
  EXPECT_EQ(ask().size(), 1u) << "two books of one isbn and different authors";
  book.indexes.back() = unique({"isbn", "author_id"});
  EXPECT_THAT(ask(), IsEmpty());
  book.indexes.back().nulls_equal = true;
  EXPECT_EQ(ask().size(), 1u) << "the legacy index lets two NULLs stand";
  book.indexes.back() = unique({"isbn", "id"});
  EXPECT_THAT(ask(), IsEmpty()) << "what tells the legacy rows apart is in it";
}

TEST_F(RowConstraints, AnotherCollationMayTakeTwoTextsForOne) {
  book.foreign_keys.clear();
  books.indexes.push_back(unique({"isbn"}));
  book.indexes.push_back(unique({"isbn"}));
  book.columns[2].collation = "blind";
  EXPECT_EQ(ask().size(), 1u);
}

TEST_F(RowConstraints, ValuesThatTheNewDatabaseMakesAreUnknown) {
  book.foreign_keys.clear();
  book.indexes.push_back(unique({"shelf"}));
  auto questions = ask();
  ASSERT_EQ(questions.size(), 1u);
  EXPECT_EQ(questions[0].why_unknown, "lib.book.shelf is filled by the new database");
}

TEST_F(RowConstraints, WhatIsFoundIsSaidWithSamplesAndARemedy) {
  auto question = ask().front();
  auto item = judge(question, {.rows = 1000, .samples = {"id=1: author_id=7"}});
  EXPECT_EQ(item.verdict, Verdict::refusal);
  EXPECT_EQ(item.sentence,
            "at least 1,000 rows of old.books break foreign key of (author_id) of lib.book; they would be "
            "written all the same, since no foreign key is enforced while oxbow writes"
            "\n               id=1: author_id=7");
  EXPECT_EQ(item.remedy, "mend these rows, or drop the foreign key");
  EXPECT_EQ(judge(question, {}).verdict, Verdict::ok);
}

TEST_F(RowConstraints, WhatNobodyKnowsIsNeverOk) {
  auto question = ask().front();
  auto item = judge(question, {.why_unknown = "it would have taken longer than 5 min"});
  EXPECT_EQ(item.verdict, Verdict::unknown);
  EXPECT_THAT(item.sentence, HasSubstr("was not counted: it would have taken longer"));
  EXPECT_EQ(item.remedy, "ask the legacy database in a quiet hour: " + question.sql);
}

}  // namespace
}  // namespace oxbow
