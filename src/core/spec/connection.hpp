// What a spec says about reaching a database: addresses with ${NAME} in them, and addresses fit to be
// printed. A password enters here from the environment and leaves only towards the database.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace oxbow {

// The value of an environment variable, or nothing.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

// Replaces each ${NAME}. Where the address is more than that one variable the value is escaped for its place:
// percent signs in a URL, backslashes in a list of key=value. `spec_invalid` with a sentence if a variable is
// not set.
Result<std::string> expand_environment(std::string_view address, const Environment& environment);

// The same address with every password in it replaced: "postgresql://oxbow:${NAME}@host/billing".
std::string replace_password(std::string_view address, std::string_view replacement);

// The address for people: "postgresql://oxbow:***@host/billing".
std::string without_password(std::string_view address);

}  // namespace oxbow
