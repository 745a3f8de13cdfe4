// The one place where failures of libpq and of the server become our errors. Nothing secret gets into a
// message: libpq never prints passwords, and a connection string that cannot be parsed is not quoted.
#pragma once

#include <libpq-fe.h>

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace oxbow::postgres {

// Which server a message is about: "database ledger at 127.0.0.1:5432".
struct Endpoint {
  std::string host;
  std::string port;
  std::string database;
};

std::string to_string(const Endpoint& endpoint);

// What a SQLSTATE asks the caller to do.
ErrorCode code_of(std::string_view sqlstate);

// A statement failed. The detail begins with the SQLSTATE, "23505 duplicate key value ...", then names
// constraint, column and values as far as the server tells them.
Error statement_error(const PGresult* result, const Endpoint& endpoint);

// A connection attempt failed; `message` is libpq's with verbosity VERBOSE, which carries the SQLSTATE.
Error connect_error(std::string_view message, const Endpoint& endpoint);

// An established connection broke.
Error broken_error(std::string_view message, const Endpoint& endpoint);

// The SQLSTATE at the beginning of a detail that statement_error() made; empty if there is none.
std::string_view sqlstate_of(const Error& error);

}  // namespace oxbow::postgres
