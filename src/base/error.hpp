// What can go wrong, as a closed list. A code exists if somebody reacts to it: a caller retries, an operator
// does something, a script reads the exit code. Everything else about a failure is text in `Error::detail`.
// Values only; safe to use from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace oxbow {

// code, sentence, retryable, HTTP status, exit code.
// DO NOT REUSE AN EXIT CODE: scripts of users depend on them.
#define OXBOW_ERROR_TABLE(X)                                                                           \
  X(usage, "The command line is not understood", false, 400, 2)                                        \
  X(spec_unreadable, "The spec cannot be read", false, 400, 10)                                        \
  X(spec_invalid, "The spec has mistakes", false, 422, 11)                                             \
  X(spec_undecided, "The spec has open decisions", false, 422, 12)                                     \
  X(preflight_failed, "A database is not ready for this migration", false, 409, 13)                    \
  X(unreachable, "A server cannot be reached", true, 503, 20)                                          \
  X(access_denied, "A server refuses the credentials or a privilege is missing", false, 403, 21)       \
  X(connection_lost, "A connection broke", true, 503, 22)                                              \
  X(timeout, "No answer before the deadline; whether it took effect is unknown", true, 504, 23)        \
  X(cancelled, "The work was asked to stop", false, 499, 24)                                           \
  X(needs_care, "The log has to be read again, step by step", true, 503, 25)                           \
  X(row_rejected, "The new side rejects a row", false, 409, 30)                                        \
  X(schema_drift, "A schema changed during the migration", false, 409, 31)                             \
  X(lost_position, "The stream's position is gone on the legacy side", false, 409, 32)                 \
  X(rows_unexpected, "A table holds rows it should not, or lacks rows it should have", false, 409, 33) \
  X(unsupported, "This cannot be carried exactly, so it is not carried at all", false, 422, 34)        \
  X(store_full, "The control store cannot be written", true, 507, 40)                                  \
  X(store_corrupt, "The control store cannot be read", false, 500, 41)                                 \
  X(already_running, "Another oxbow runs this migration", false, 409, 42)                              \
  X(not_running, "No oxbow runs this migration", false, 503, 43)                                       \
  X(illegal_transition, "This is not allowed in the present state", false, 409, 44)                    \
  X(not_found, "There is no such thing", false, 404, 45)                                               \
  X(differs, "The two sides differ", false, 409, 50)                                                   \
  X(incomplete, "The proof does not cover everything", false, 409, 51)                                 \
  X(gate_closed, "A gate does not open", false, 409, 52)                                               \
  X(malformed, "Bytes do not follow their format", false, 400, 60)                                     \
  X(internal, "oxbow made a mistake; please report it", false, 500, 70)

enum class ErrorCode {
#define X(code, ...) code,
  OXBOW_ERROR_TABLE(X)
#undef X
};

// What went wrong, where and what to do about it, as one or two sentences without a trailing newline.
struct Error {
  ErrorCode code;
  std::string detail;

  friend bool operator==(const Error&, const Error&) = default;
};

std::string_view name(ErrorCode code);  // "connection_lost"
std::optional<ErrorCode> parse_error_code(std::string_view name);
std::string_view sentence(ErrorCode code);  // "A connection broke"
bool is_retryable(ErrorCode code);
int http_status(ErrorCode code);
int exit_code(ErrorCode code);

// "A connection broke: server closed the connection unexpectedly"
std::string to_string(const Error& error);

}  // namespace oxbow
