#include "adapters/postgres/pg_error.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace oxbow::postgres {
namespace {

struct Mapping {
  std::string_view prefix;  // of the SQLSTATE; the longest match stands first
  ErrorCode code;
};

constexpr std::array kMappings = {
    Mapping{"08", ErrorCode::connection_lost},
    Mapping{"57P03", ErrorCode::unreachable},      // starting up or shutting down
    Mapping{"57P", ErrorCode::connection_lost},    // an administrator or a crash ended the session
    Mapping{"57014", ErrorCode::connection_lost},  // cancelled by somebody else: do it again
    Mapping{"57", ErrorCode::connection_lost},
    Mapping{"40", ErrorCode::connection_lost},  // deadlock, serialization failure: do it again
    Mapping{"28", ErrorCode::access_denied},
    Mapping{"42501", ErrorCode::access_denied},
    Mapping{"25006", ErrorCode::unreachable},  // read-only: a standby, or one that was just demoted
    Mapping{"3D", ErrorCode::not_found},
    Mapping{"22", ErrorCode::row_rejected},
    Mapping{"23", ErrorCode::row_rejected},
    Mapping{"44", ErrorCode::row_rejected},        // WITH CHECK OPTION
    Mapping{"54", ErrorCode::row_rejected},        // a row or an index entry is too large
    Mapping{"P0001", ErrorCode::row_rejected},     // raised by a trigger
    Mapping{"53", ErrorCode::unreachable},         // out of connections, memory or disk
    Mapping{"58", ErrorCode::unreachable},         // the server's own disk fails
    Mapping{"55P03", ErrorCode::timeout},          // lock_timeout
    Mapping{"55006", ErrorCode::already_running},  // a slot or an origin is in use by another session
    Mapping{"3F", ErrorCode::schema_drift},
    Mapping{"42P01", ErrorCode::schema_drift},  // a table is gone
    Mapping{"42703", ErrorCode::schema_drift},  // a column is gone
    Mapping{"42704", ErrorCode::schema_drift},  // a type is gone
    Mapping{"42804", ErrorCode::schema_drift},  // a type is another one
    Mapping{"42601", ErrorCode::spec_invalid},  // SQL of ours is sound, so it is that of a spec
    Mapping{"42883", ErrorCode::spec_invalid},  // a function that nobody knows
    Mapping{"0A", ErrorCode::unsupported},
};

std::string_view first_line(std::string_view text) {
  while (!text.empty() && (text.front() == '\n' || text.front() == ' ')) text.remove_prefix(1);
  return text.substr(0, text.find('\n'));
}

std::string_view field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text ? std::string_view(text) : std::string_view();
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Every SQLSTATE has a digit; FATAL has none.
bool is_sqlstate(std::string_view text) {
  auto allowed = [](char c) { return is_digit(c) || (c >= 'A' && c <= 'Z'); };
  return text.size() == 5 && std::all_of(text.begin(), text.end(), allowed) &&
         std::any_of(text.begin(), text.end(), is_digit);
}

// "connection to server at ... failed: FATAL:  28P01: password authentication failed for user "x"", in
// whatever language the server speaks: the SQLSTATE stands between colons.
std::string_view find_sqlstate(std::string_view message) {
  for (std::size_t at = message.find(": "); at != std::string_view::npos; at = message.find(": ", at + 1))
    if (at >= 5 && is_sqlstate(message.substr(at - 5, 5))) return message.substr(at - 5, 5);
  return {};
}

// libpq refuses the address itself, before it asks anybody.
bool is_about_the_address(std::string_view message) {
  auto line = first_line(message);
  return line.starts_with("invalid ") || line.starts_with("could not match ") ||
         line.find(" invalid when ") != std::string_view::npos;
}

// A password with an @ in it looks like host and port, so what stands there is not quoted.
Error address_error(std::string_view message) {
  bool is_port = message.find("port") != std::string_view::npos;
  auto what = is_port ? "the port is no number from 1 to 65535" : first_line(message);
  return {ErrorCode::spec_invalid,
          fmt::format("a database's connection string cannot be used: {}; write "
                      "postgresql://user@host:port/database, with %40 for an @ in a name or password",
                      what)};
}

std::string_view advice_on_connecting(ErrorCode code) {
  switch (code) {
    case ErrorCode::unreachable:
      return "; is the server up, and its address right?";
    case ErrorCode::access_denied:
      return "; correct user and password in the address, or let the server admit them (pg_hba.conf, GRANT "
             "CONNECT)";
    case ErrorCode::not_found:
      return "; correct the address, or create the database";
    default:
      return "";
  }
}

}  // namespace

std::string to_string(const Endpoint& endpoint) {
  return fmt::format("database {} at {}:{}", endpoint.database, endpoint.host, endpoint.port);
}

ErrorCode code_of(std::string_view sqlstate) {
  for (const auto& mapping : kMappings)
    if (sqlstate.starts_with(mapping.prefix)) return mapping.code;
  return ErrorCode::internal;
}

Error statement_error(const PGresult* result, const Endpoint& endpoint) {
  auto state = field(result, PG_DIAG_SQLSTATE);
  if (state.empty()) return broken_error(PQresultErrorMessage(result), endpoint);
  std::string text = fmt::format("{} {}", state, field(result, PG_DIAG_MESSAGE_PRIMARY));
  if (auto detail = field(result, PG_DIAG_MESSAGE_DETAIL); !detail.empty())
    text += fmt::format("; {}", detail);
  if (auto hint = field(result, PG_DIAG_MESSAGE_HINT); !hint.empty()) text += fmt::format("; {}", hint);
  auto schema = field(result, PG_DIAG_SCHEMA_NAME);
  auto table = field(result, PG_DIAG_TABLE_NAME);
  if (!table.empty()) text += fmt::format(", table {}.{}", schema, table);
  if (auto column = field(result, PG_DIAG_COLUMN_NAME); !column.empty())
    text += fmt::format(", column {}", column);
  if (auto constraint = field(result, PG_DIAG_CONSTRAINT_NAME); !constraint.empty())
    text += fmt::format(", constraint {}", constraint);
  if (auto context = first_line(field(result, PG_DIAG_CONTEXT)); context.starts_with("COPY "))
    text += fmt::format(", {}", context);
  return {code_of(state), fmt::format("{} ({})", text, to_string(endpoint))};
}

Error connect_error(std::string_view message, const Endpoint& endpoint) {
  auto state = find_sqlstate(message);
  if (state.empty() && is_about_the_address(message)) return address_error(message);
  auto code = state.empty() ? ErrorCode::unreachable : code_of(state);
  // A failing login is never the fault of a row, whatever the class of its SQLSTATE.
  if (code == ErrorCode::row_rejected || code == ErrorCode::schema_drift) code = ErrorCode::access_denied;
  if (code == ErrorCode::connection_lost) code = ErrorCode::unreachable;
  // libpq itself asks for a password only before it has sent one, and has no SQLSTATE for that.
  if (state.empty() && message.find("password") != std::string_view::npos) code = ErrorCode::access_denied;
  return {code,
          fmt::format("{}: {}{}", to_string(endpoint), first_line(message), advice_on_connecting(code))};
}

Error broken_error(std::string_view message, const Endpoint& endpoint) {
  auto line = first_line(message);
  return {ErrorCode::connection_lost, fmt::format("{}: {}", to_string(endpoint),
                                                  line.empty() ? "the server closed the connection" : line)};
}

std::string_view sqlstate_of(const Error& error) {
  std::string_view detail = error.detail;
  if (detail.size() < 6 || detail[5] != ' ' || !is_sqlstate(detail.substr(0, 5))) return {};
  return detail.substr(0, 5);
}

}  // namespace oxbow::postgres
