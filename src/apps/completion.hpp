// Shell completion, made from the commands and options as they are registered, so that it cannot fall behind
// them.
#pragma once

#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace oxbow {

// `shell` is bash, zsh or fish; empty for any other.
std::string completion_script(const CLI::App& app, std::string_view shell);

}  // namespace oxbow
