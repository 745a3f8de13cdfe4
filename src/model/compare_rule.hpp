// What may differ between the answers of the two sides, as the owners of a route declared it.
#pragma once

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "model/mark.hpp"

namespace oxbow {

struct CompareRule {
  enum class Kind {
    ignore,
    unordered,   // an array as a multiset
    keyed,       // an array whose elements are matched by `keys`
    tolerance,   // numbers apart by at most `absolute`, or `relative` of the larger one
    time_skew,   // times apart by at most `skew`
    same_class,  // both texts match the same one of `classes`
    map,         // legacy's value is translated before it is compared
    rename,      // legacy's member is called `to` on the new side
    scale        // legacy's number times `factor` is the new side's
  };

  Kind kind = Kind::ignore;
  std::string path;    // into legacy's JSON: "$.items[*].price"; empty if `header` is set
  std::string header;  // the name of a header field instead
  std::vector<std::string> keys;
  std::string absolute;  // decimal texts; empty: not declared
  std::string relative;
  Duration skew{};
  std::vector<std::string> classes;  // regular expressions
  std::vector<std::pair<std::string, std::string>> map;
  std::string to;
  std::string factor;
  std::string why;
  Mark mark;

  // Whether both let the same answers pass for equal, wherever and for whatever reason they were written.
  friend bool operator==(const CompareRule& one, const CompareRule& other) {
    auto meaning = [](const CompareRule& rule) {
      return std::tie(rule.kind, rule.path, rule.header, rule.keys, rule.absolute, rule.relative, rule.skew,
                      rule.classes, rule.map, rule.to, rule.factor);
    };
    return meaning(one) == meaning(other);
  }
};

}  // namespace oxbow
