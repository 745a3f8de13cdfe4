// Undoes the Content-Encoding of an HTTP body, into a bounded buffer: a bomb ends at the bound, in the time
// that so many bytes take. Pure functions.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include "model/comparison.hpp"

namespace oxbow {

// `encodings` is the value of Content-Encoding: "gzip", "deflate", "br", "identity", also several ("deflate,
// gzip"), or empty. Otherwise a reason: content_encoding_unsupported for any other coding,
// undecodable_encoding for bytes that are not what they should be, too_large for more than `bytes_max` behind
// any of the codings.
std::expected<std::string, SkipReason> decode_content(std::string_view encodings, std::string_view body,
                                                      std::size_t bytes_max);

}  // namespace oxbow
