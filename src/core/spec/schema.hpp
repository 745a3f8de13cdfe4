// The grammar as a JSON Schema (draft 2020-12), so that editors complete and check a spec while it is
// written.
#pragma once

#include <string>

namespace oxbow {

std::string json_schema();  // ends with a newline

}  // namespace oxbow
