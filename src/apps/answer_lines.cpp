#include "apps/answer_lines.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "apps/grid.hpp"
#include "apps/json_lines.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kLinesMax = 2000;  // of one answer; exemplars are far shorter
constexpr std::size_t kContext = 3;

// The last member of an object has no comma, and that is no difference.
bool same_line(std::string_view one, std::string_view other) {
  if (one.ends_with(',')) one.remove_suffix(1);
  if (other.ends_with(',')) other.remove_suffix(1);
  return one == other;
}

// One row of both answers. A missing line is null.
struct Row {
  const std::string* legacy = nullptr;
  const std::string* new_side = nullptr;

  bool is_equal() const { return legacy && new_side && same_line(*legacy, *new_side); }
};

std::vector<std::string> plain_lines(std::string_view body) {
  std::vector<std::string> lines;
  while (!body.empty()) {
    auto end = std::min(body.find('\n'), body.size());
    auto line = body.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(visible(line));
    body.remove_prefix(std::min(end + 1, body.size()));
  }
  return lines;
}

// Lines that are equal in both, in order, as many as possible: the longest common subsequence, from the end.
std::vector<std::vector<std::uint16_t>> common_lengths(const std::vector<std::string>& one,
                                                       const std::vector<std::string>& other) {
  std::vector lengths(one.size() + 1, std::vector<std::uint16_t>(other.size() + 1));
  for (auto i = one.size(); i-- > 0;) {
    for (auto j = other.size(); j-- > 0;) {
      lengths[i][j] = same_line(one[i], other[j]) ? static_cast<std::uint16_t>(lengths[i + 1][j + 1] + 1)
                                                  : std::max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  return lengths;
}

std::vector<Row> rows_of(const std::vector<std::string>& legacy, const std::vector<std::string>& new_side) {
  auto lengths = common_lengths(legacy, new_side);
  std::vector<Row> rows;
  std::size_t i = 0, j = 0;
  while (i < legacy.size() || j < new_side.size()) {
    // All that differs up to the next equal line stands next to each other, as far as it goes.
    auto first_legacy = i, first_new = j;
    while (i < legacy.size() || j < new_side.size()) {
      if (i < legacy.size() && j < new_side.size() && same_line(legacy[i], new_side[j])) break;
      bool skip_legacy =
          j == new_side.size() || (i < legacy.size() && lengths[i + 1][j] >= lengths[i][j + 1]);
      ++(skip_legacy ? i : j);
    }
    for (std::size_t k = 0; first_legacy + k < i || first_new + k < j; ++k)
      rows.push_back({first_legacy + k < i ? &legacy[first_legacy + k] : nullptr,
                      first_new + k < j ? &new_side[first_new + k] : nullptr});
    if (i < legacy.size() && j < new_side.size()) rows.push_back({&legacy[i++], &new_side[j++]});
  }
  return rows;
}

// Calls `show` for rows near a difference, and `skip` with the number of equal rows left out.
template <class Show, class Skip>
void near_differences(const std::vector<Row>& rows, Show show, Skip skip) {
  std::vector<bool> is_near(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].is_equal()) continue;
    for (std::size_t k = i - std::min(i, kContext); k < std::min(rows.size(), i + kContext + 1); ++k)
      is_near[k] = true;
  }
  for (std::size_t i = 0; i < rows.size();) {
    auto end = i;
    while (end < rows.size() && !is_near[end]) ++end;
    if (end > i) skip(end - i);
    i = end;
    if (i < rows.size()) show(rows[i++]);
  }
}

std::string left_out(std::size_t lines) {
  return fmt::format("({} equal line{})", lines, lines == 1 ? "" : "s");
}

// The line in pieces of at most so many columns.
std::vector<std::string_view> wrapped(std::string_view line, std::size_t columns) {
  std::vector<std::string_view> pieces;
  std::size_t begin = 0, taken = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    bool begins_character = (static_cast<unsigned char>(line[i]) & 0xc0) != 0x80;
    if (begins_character && taken == columns) {
      pieces.push_back(line.substr(begin, i - begin));
      begin = i;
      taken = 0;
    }
    taken += begins_character;
  }
  pieces.push_back(line.substr(begin));
  return pieces;
}

std::string padded(std::string_view text, std::size_t columns) {
  auto used = columns_of(text);
  return std::string(text) + std::string(columns > used ? columns - used : 0, ' ');
}

void append_line(std::string& out, std::string line) {
  line.resize(line.find_last_not_of(' ') + 1);
  out += line + "\n";
}

}  // namespace

std::vector<std::string> answer_lines(std::string_view body) {
  auto first = body.find_first_not_of(" \n\r\t");
  bool is_json = first != std::string_view::npos && (body[first] == '{' || body[first] == '[');
  auto lines = is_json ? json_lines(body) : plain_lines(body);
  if (lines.size() > kLinesMax) lines.resize(kLinesMax);
  return lines;
}

std::string side_by_side(const AnswerSheet& legacy, const AnswerSheet& new_side, std::size_t columns,
                         Paint paint) {
  auto half = (std::max<std::size_t>(columns, 23) - 3) / 2;
  std::string out;
  append_line(out,
              paint(Tint::strong, padded(legacy.title, half)) + "   " + paint(Tint::strong, new_side.title));
  auto show = [&](const Row& row) {
    char mark = row.is_equal() ? ' ' : !row.new_side ? '<' : !row.legacy ? '>' : '|';
    auto left = row.legacy ? wrapped(*row.legacy, half) : std::vector<std::string_view>();
    auto right = row.new_side ? wrapped(*row.new_side, half) : std::vector<std::string_view>();
    for (std::size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
      auto one = padded(i < left.size() ? left[i] : "", half);
      auto other = i < right.size() ? right[i] : std::string_view();
      append_line(out, fmt::format("{} {} {}", paint(mark == ' ' ? Tint::none : Tint::bad, one), mark,
                                   paint(mark == ' ' ? Tint::none : Tint::good, other)));
    }
  };
  auto skip = [&](std::size_t lines) { append_line(out, paint(Tint::faint, left_out(lines))); };
  near_differences(rows_of(legacy.lines, new_side.lines), show, skip);
  return out;
}

std::string unified(const AnswerSheet& legacy, const AnswerSheet& new_side, Paint paint) {
  std::string out;
  append_line(out, paint(Tint::strong, "--- " + legacy.title));
  append_line(out, paint(Tint::strong, "+++ " + new_side.title));
  std::string added;  // stands behind all that was taken away
  auto show = [&](const Row& row) {
    if (row.is_equal()) {
      out += std::exchange(added, {});
      append_line(out, "  " + *row.legacy);
      return;
    }
    if (row.legacy) append_line(out, paint(Tint::bad, "- " + *row.legacy));
    if (row.new_side) append_line(added, paint(Tint::good, "+ " + *row.new_side));
  };
  auto skip = [&](std::size_t lines) {
    out += std::exchange(added, {});
    append_line(out, paint(Tint::faint, left_out(lines)));
  };
  near_differences(rows_of(legacy.lines, new_side.lines), show, skip);
  return out + added;
}

}  // namespace oxbow
