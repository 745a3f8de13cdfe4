// What looks like a secret in any text: tokens, passwords, cookies, card numbers and other long numbers,
// e-mail addresses. Errs on the side of taking away too much. Pure.
#pragma once

#include <string>
#include <string_view>

namespace oxbow {

// Whether a member, header, cookie or parameter of this name holds a secret: "Set-Cookie", "accessToken",
// "api_key". Looks at whole words, so that "author" and "keyboard" hold none.
bool is_secret_name(std::string_view name);

// The text with every secret replaced by what it was: "[redacted]", "[redacted e-mail]", "[redacted 16
// digits]".
std::string without_secrets(std::string_view text);

}  // namespace oxbow
