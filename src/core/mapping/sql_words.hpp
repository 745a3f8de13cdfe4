// Finds the names in an SQL expression, far enough to tell which columns it reads. Not a parser: it knows
// what is a string, a comment or a cast, and takes every other word for a name.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace oxbow {

// Words that can be names of columns, as the database folds them: lower case unless in double quotes.
std::set<std::string> possible_column_names(std::string_view expression);

}  // namespace oxbow
