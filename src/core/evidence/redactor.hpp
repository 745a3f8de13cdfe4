// Takes out of answers what must not be kept: fields that the spec names, and what looks like a secret. The
// shape of JSON stays, so that two answers can still be laid side by side. Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "model/side.hpp"

namespace oxbow {

// The member at `path` of legacy's answer is called `to` on the new side.
struct RenamedMember {
  std::string path;
  std::string to;
};

class Redactor {
 public:
  // Paths as in rules of comparison, in legacy's names ("$.customer.iban", "$.cards[*].holder",
  // "$.by_id.*.name", "$..iban", "header.x-account"), with everything inside of them; and parts of the
  // request ("query.iban", "path.holder").
  explicit Redactor(std::vector<std::string> fields = {}, std::vector<RenamedMember> renames = {});

  // Each returns UTF-8, at most `bytes_max` bytes and three for the "…" of what was cut, at the end of a
  // character. What lies behind that in the input is not looked at, however long it is.
  // A body that is no JSON is hidden as a whole where the spec names fields of bodies or parts of the
  // request, which it may repeat. `value` is what stands at `path` in one of the answers; "GET /of/bob?x=1"
  // is a request of the route "GET /of/{holder}".
  std::string body(std::string_view body, std::size_t bytes_max, Side side = Side::legacy) const;
  std::string value(std::string_view path, std::string_view value, std::size_t bytes_max,
                    Side side = Side::legacy) const;
  std::string text(std::string_view text, std::size_t bytes_max) const;
  std::string request(std::string_view route, std::string_view request, std::size_t bytes_max) const;

  // Without the names inside of what the spec names: "$.by_iban.DE1.n" becomes "$.by_iban.*".
  std::string path(std::string_view path) const;

  bool hides(std::string_view path) const;  // the value at this path, or one that it is part of

  const std::vector<RenamedMember>& renames() const { return renames_; }

 private:
  bool names_any(std::string_view beginning) const;
  bool names_part(std::string_view part, std::string_view name) const;
  std::string query(std::string_view query) const;
  std::string header_value(std::string_view path, std::string_view value) const;

  std::vector<std::string> fields_;
  std::vector<RenamedMember> renames_;
  bool hides_query_ = false;
  bool hides_path_ = false;
  bool keeps_text_ = true;  // of bodies that are no JSON
};

}  // namespace oxbow
