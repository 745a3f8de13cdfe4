// What JSON strings mean, apart from how they are spelled: "\u00e9" and "é" are the same text. Everything
// here takes what stands between the quotes, after JsonScanner found nothing wrong with it.
#pragma once

#include <string>
#include <string_view>

namespace oxbow {

void append_unescaped(std::string_view inside, std::string& out);  // as UTF-8

// The text itself: `inside` where nothing is escaped, else `scratch`, which then holds it.
std::string_view unescaped(std::string_view inside, std::string& scratch);

bool same_text(std::string_view inside, std::string_view other_inside);

}  // namespace oxbow
