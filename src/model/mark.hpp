// Where something stands in the spec file, for error messages. Lines and columns count from 1; 0 means
// unknown.
#pragma once

namespace oxbow {

struct Mark {
  int line = 0;
  int column = 0;

  friend bool operator==(const Mark&, const Mark&) = default;
};

}  // namespace oxbow
