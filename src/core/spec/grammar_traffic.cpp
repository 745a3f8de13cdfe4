// The grammar of what requests are: routes, rules of comparison, the gateway and the services behind it.
#include <algorithm>
#include <array>

#include "core/spec/grammar_parts.hpp"
#include "core/spec/http_address.hpp"
#include "core/spec/route_text.hpp"

namespace oxbow::grammar {
namespace {

// ---- scalars ----

bool is_listen_address(std::string_view text) {
  return parse_listen_address(text).has_value();
}
bool is_request_path(std::string_view text) {
  return text.starts_with('/') && text.find_first_of(" ?#") == std::string_view::npos;
}
constexpr ScalarShape kService = {
    .expected = "an HTTP address such as http://127.0.0.1:8081, https://pay.internal or unix:/run/pay.sock",
    .accepts = parses<parse_service_address>,
    .pattern = "^(https?://[^ /?#]+/?|unix:/.+)$"};
constexpr ScalarShape kListen = {
    .expected = "an address to listen on such as 127.0.0.1:8080, [::1]:8080 or unix:/run/oxbow/gateway.sock",
    .accepts = is_listen_address,
    .pattern = "^([^ ]+:[0-9]+|unix:/.+)$"};
constexpr ScalarShape kPath = {
    .expected = "a path such as /healthz", .accepts = is_request_path, .pattern = "^/[^ ?#]*$"};
// What is declared to read may be sent to both sides and asked again.
bool is_read_route(std::string_view text) {
  constexpr std::array kMethods = {std::string_view("GET"), std::string_view("HEAD"),
                                   std::string_view("OPTIONS"), std::string_view("POST")};
  auto route = parse_route(text);
  return route && std::ranges::find(kMethods, route->first) != kMethods.end();
}

constexpr ScalarShape kRoute = {.expected = "a method and a path, such as GET /payments/{payment_id}",
                                .accepts = parses<parse_route>,
                                .pattern = "^(GET|HEAD|OPTIONS|POST|PUT|PATCH|DELETE) /[^ ]*$"};
constexpr ScalarShape kReadRouteText = {
    .expected =
        "a method and a path, such as GET /payments/{payment_id}, where the method reads: GET, HEAD, "
        "OPTIONS, or POST for a search (what writes says write: true)",
    .accepts = is_read_route,
    .pattern = "^(GET|HEAD|OPTIONS|POST) /[^ ]*$"};
constexpr ScalarShape kHost = {.expected = "a host name without a port, such as api.example.com",
                               .accepts = is_host_name,
                               .pattern = "^[A-Za-z0-9.-]+$"};
constexpr ScalarShape kFieldName = {.expected = "the name of a header field",
                                    .accepts = is_field_name,
                                    .pattern = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
                                    .may_be_number = true};
constexpr ScalarShape kKeySource = {
    .expected = "where the key is: path.x, query.x, header.x, cookie.x or body.x, or none if there is none",
    .accepts = parses<parse_key_source>,
    .pattern = "^(none|(path|query|header|cookie|body)[.].+)$"};

bool is_request_part(std::string_view text) {
  auto dot = text.find('.');
  auto part = text.substr(0, dot);
  return dot != std::string_view::npos && dot + 1 < text.size() &&
         (part == "path" || part == "query" || part == "header" || part == "body");
}
constexpr ScalarShape kRequestPart = {
    .expected = "a part of the request: path.x, query.x, header.x or body.x",
    .accepts = is_request_part,
    .pattern = "^(path|query|header|body)[.].+$"};

bool is_above_zero(std::string_view text) {
  return parse_count(text).value_or(0) > 0;
}
bool is_time_above_zero(std::string_view text) {
  return parse_duration(text).value_or(Duration::zero()) > Duration::zero();
}
bool is_size_above_zero(std::string_view text) {
  return parse_size(text).value_or(0) > 0;
}
bool is_share(std::string_view text) {
  return text == "off" || parse_buckets(text);
}
constexpr ScalarShape kNumber = {.expected = "a whole number above 0",
                                 .accepts = is_above_zero,
                                 .pattern = "^0*[1-9][0-9]*$",
                                 .may_be_number = true};
constexpr ScalarShape kTime = {.expected = "a duration above 0, such as 500ms or 30s",
                               .accepts = is_time_above_zero,
                               .pattern = "^0*[1-9][0-9]*(ms|s|m|h|d)$"};
constexpr ScalarShape kMemory = {.expected = "a size above 0, such as 64MB",
                                 .accepts = is_size_above_zero,
                                 .pattern = "^0*[1-9][0-9]*(B|kB|KB|MB|GB|TB)$"};
constexpr ScalarShape kShare = {.expected = "a percentage such as 25%, or off",
                                .accepts = is_share,
                                .pattern = "^(off|[0-9]{1,3}([.][0-9]{1,2})?%?)$",
                                .may_be_number = true};
constexpr ScalarShape kSlice = {.expected = "a percentage above 0 in steps of 0.01, such as 25 or 0.5",
                                .accepts = parses<parse_buckets>,
                                .pattern = "^[0-9]{1,3}([.][0-9]{1,2})?%?$",
                                .may_be_number = true};
constexpr ScalarShape kShareOrNone = {.expected = "a percentage such as 5%, or 0 for none",
                                      .accepts = parses<parse_buckets_or_none>,
                                      .pattern = "^[0-9]{1,3}([.][0-9]{1,2})?%?$",
                                      .may_be_number = true};
constexpr ScalarShape kMargin = {.expected = "a margin above 0, such as 0.01",
                                 .accepts = is_factor,
                                 .pattern = "^[0-9]+([.][0-9]+)?$",
                                 .may_be_number = true};
constexpr ScalarShape kAnswerPath = {
    .expected = "a path into legacy's answer, such as $.items[*].price or $[\"unit price\"]",
    .accepts = is_answer_path,
    // A member's name without quotes has letters of any language, digits and _@$-.
    .pattern =
        R"re(^[$]([.][.]?([^ -#%-,./:-?[-^`{-~]+|[*])|([.][.])?\[([*]|"([^"\\]|\\.)*"|'([^'\\]|\\.)*')\])*$)re"};

bool is_answer_place(std::string_view text) {
  constexpr std::string_view kHeader = "header.";
  return text.starts_with(kHeader) ? is_field_name(text.substr(kHeader.size())) : is_answer_path(text);
}
constexpr ScalarShape kAnswerPlace = {
    .expected =
        "a path into legacy's answer, such as $.items[*].price, or a header field, such as "
        "header.Last-Modified",
    .accepts = is_answer_place,
    .pattern =
        R"re(^([$]([.][.]?([^ -#%-,./:-?[-^`{-~]+|[*])|([.][.])?\[([*]|"([^"\\]|\\.)*"|'([^'\\]|\\.)*')\])*|header[.][A-Za-z0-9!#$%&'*+.^_`|~-]+)$)re"};

constexpr ScalarShape kRedacted = {
    .expected = "what is never kept: a path into an answer such as $..iban, or header.x, query.x or path.x",
    .accepts = is_redactable,
    .pattern =
        R"re(^([$]([.][.]?([^ -#%-,./:-?[-^`{-~]+|[*])|([.][.])?\[([*]|"([^"\\]|\\.)*"|'([^'\\]|\\.)*')\])*|(header|query|path)[.].+)$)re"};

constexpr std::array<std::string_view, 4> kClassWords = {"latency", "consistency", "historical", "bulk"};
constexpr std::array<std::string_view, 2> kSwitchWords = {"true", "false"};
constexpr std::array<std::string_view, 1> kOffWords = {"off"};
constexpr ScalarShape kClass = {.expected = "a read class", .words = kClassWords};
constexpr ScalarShape kSwitch = {.expected = "true or false", .words = kSwitchWords, .may_be_boolean = true};
constexpr ScalarShape kOff = {.expected = "off", .words = kOffWords};

constexpr Shape kServiceValue = one(kService, "service");
constexpr Shape kListenValue = one(kListen, "listen_address");
constexpr Shape kPathValue = one(kPath, "request_path");
constexpr Shape kRouteValue = one(kRoute, "route_text");
constexpr Shape kReadRouteValue = one(kReadRouteText, "read_route_text");
constexpr Shape kHostValue = one(kHost, "host");
constexpr Shape kFieldNameValue = one(kFieldName, "field_name");
constexpr Shape kKeySourceValue = one(kKeySource, "key_source");
constexpr Shape kRequestPartValue = one(kRequestPart, "request_part");
constexpr Shape kNumberValue = one(kNumber, "number");
constexpr Shape kTimeValue = one(kTime, "time");
constexpr Shape kMemoryValue = one(kMemory, "memory");
constexpr Shape kShareValue = one(kShare, "share");
constexpr Shape kSliceValue = one(kSlice, "sampled");
constexpr Shape kShareOrNoneValue = one(kShareOrNone, "share_or_none");
constexpr Shape kMarginValue = one(kMargin, "margin");
constexpr Shape kAnswerPathValue = one(kAnswerPath, "answer_path");
constexpr Shape kAnswerPlaceValue = one(kAnswerPlace, "answer_place");
constexpr Shape kRedactedValue = one(kRedacted, "redacted");
constexpr Shape kClassValue = one(kClass, "read_class");
constexpr Shape kSwitchValue = one(kSwitch, "switch");
constexpr Shape kOffValue = one(kOff, "off");

// ---- rules of comparison ----

constexpr KeyShape kNeededWhy = {"why", &kFilledValue, kRequired, "Why it may differ."};
constexpr Shape kMemberList = list_of(kFilledValue, "member_list", "a list of members such as [id]");
constexpr Shape kClassList =
    list_of(kFilledValue, "class_list", "a list of regular expressions such as [\"timed? ?out\"]");

constexpr std::array kIgnoreKeys = {KeyShape{"ignore", &kAnswerPathValue, kRequired, "Never compared."},
                                    kNeededWhy};
constexpr std::array kIgnoreHeaderKeys = {
    KeyShape{"ignore_header", &kFieldNameValue, kRequired, "A header field that is never compared."}, kWhy};
constexpr std::array kUnorderedKeys = {
    KeyShape{"unordered", &kAnswerPathValue, kRequired, "An array whose order means nothing."}, kWhy};
constexpr std::array kKeyedKeys = {
    KeyShape{"keyed", &kAnswerPathValue, kRequired, "An array whose elements have a key of their own."},
    KeyShape{"by", &kMemberList, kRequired, "The members that are the key of an element."}, kWhy};
constexpr std::array kToleranceKeys = {
    KeyShape{"tolerance", &kAnswerPlaceValue, kRequired, "A number that may be a little apart."},
    KeyShape{"absolute", &kMarginValue, kOptional, "By at most this."},
    KeyShape{"relative", &kMarginValue, kOptional, "By at most this part of the larger one: 0.001."}, kWhy};
constexpr std::array kTimeSkewKeys = {
    KeyShape{"time_skew", &kAnswerPlaceValue, kRequired, "A time that may be a little apart."},
    KeyShape{"by", &kTimeValue, kRequired, "By at most this."}, kWhy};
constexpr std::array kSameClassKeys = {
    KeyShape{"same_class", &kAnswerPlaceValue, kRequired, "A text of which only the class counts."},
    KeyShape{"classes", &kClassList, kRequired, "Both texts match the same one of these."}, kWhy};
constexpr std::array kMapValueKeys = {
    KeyShape{"map", &kAnswerPlaceValue, kRequired, "A value that is called otherwise on the new side."},
    KeyShape{"values", &kLabelMap, kRequired, "The new side's value of each of legacy's."}, kWhy};
constexpr std::array kRenameMemberKeys = {
    KeyShape{"rename", &kAnswerPathValue, kRequired, "A member that has another name on the new side."},
    KeyShape{"to", &kFilledValue, kRequired, "Its name there."}, kWhy};
constexpr std::array kScaleMemberKeys = {
    KeyShape{"scale", &kAnswerPathValue, kRequired, "A number in another unit on the new side."},
    KeyShape{"factor", &kFactorValue, kRequired, "Legacy's number times this is the new side's."}, kWhy};
constexpr std::array kShapeKeys = {
    KeyShape{"shape", &kTableValue, kRequired,
             "A legacy table of the entity, whose mapping says how the two answers correspond."},
    KeyShape{"at", &kAnswerPathValue, kRequired, "The object that shows a row of it."}};

constexpr Shape kIgnore = object("ignore", "a path that is not compared", kIgnoreKeys, "ignore");
constexpr Shape kIgnoreHeader =
    object("ignore_header", "a field that is not compared", kIgnoreHeaderKeys, "ignore_header");
constexpr Shape kUnordered = object("unordered", "an array without order", kUnorderedKeys, "unordered");
constexpr Shape kKeyed = object("keyed", "an array with keys", kKeyedKeys, "keyed");
constexpr Shape kTolerance = object("tolerance", "a number with a margin", kToleranceKeys, "tolerance");
constexpr Shape kTimeSkew = object("time_skew", "a time with a margin", kTimeSkewKeys, "time_skew");
constexpr Shape kSameClass = object("same_class", "texts of one class", kSameClassKeys, "same_class");
constexpr Shape kMapValue = object("map_value", "a value with two names", kMapValueKeys, "map");
constexpr Shape kRenameMember =
    object("rename_member", "a member with two names", kRenameMemberKeys, "rename");
constexpr Shape kScaleMember = object("scale_member", "a number in two units", kScaleMemberKeys, "scale");
constexpr Shape kShape = object("shape", "an object that shows a row", kShapeKeys, "shape");
constexpr std::array<const Shape*, 11> kCompareForms = {
    &kIgnore,    &kIgnoreHeader, &kUnordered,    &kKeyed,       &kTolerance, &kTimeSkew,
    &kSameClass, &kMapValue,     &kRenameMember, &kScaleMember, &kShape};
constexpr Shape kCompareRule = any_of(
    kCompareForms, "compare_rule", "a rule such as {ignore: $.updated_at, why: ...} or {unordered: $.tags}");
constexpr Shape kCompare = list_of(kCompareRule, "compare", "a list of rules");

// ---- routes ----

constexpr Shape kRequestParts =
    list_of(kRequestPartValue, "request_parts", "a list such as [body.customer_id, header.Request-Id]");
constexpr Shape kFieldMap = map_of(kFieldName, kFilledValue, "header", "field_map",
                                   "a map from header fields to values such as {X-Api-Version: \"2\"}");

constexpr KeyShape route_key(const Shape& value) {
  return {"route", &value, kRequired, "Method and path, with {names} for its parts."};
}
constexpr KeyShape kHostKey = {"host", &kHostValue, kOptional, "Only requests to this host."};
constexpr KeyShape kHeadersKey = {"headers", &kFieldMap, kOptional,
                                  "Only requests with these header fields."};
constexpr KeyShape kKeyKey = {
    "key", &kKeySourceValue, kOptional,
    "Where a request carries the entity's key; left out: the part of the path that is named like it."};
constexpr KeyShape kCompareKey = {"compare", &kCompare, kOptional,
                                  "In what the answers of the two sides may differ."};
constexpr Shape kFieldNames = list_of(kFieldNameValue, "field_names", "a list such as [ETag, Set-Cookie]");
constexpr KeyShape kCompareHeadersKey = {
    "compare_headers", &kFieldNames, kOptional,
    "Header fields that are compared beside Content-Type and Location, which always are."};
constexpr Shape kRedact = list_of(kRedactedValue, "redact", "a list such as [$..iban, header.X-Account]");
constexpr KeyShape kRedactKey = {"redact", &kRedact, kOptional,
                                 "What examples of differences never hold, beside what looks like a secret."};
constexpr KeyShape kRecheckKey = {
    "recheck_after", &kDurationValue, kOptional,
    "A difference is looked at again after this; 500ms if left out, 0s: never."};

constexpr std::array kWriteShadowKeys = {
    KeyShape{"percent", &kSliceValue, kRequired, "The share of requests that is shadowed."},
    KeyShape{"path", &kPathValue, kRequired,
             "The path on the new side that does the same without changing anything."}};
constexpr Shape kWriteShadowRule = object(
    "write_shadow_rule", "a safe way such as {percent: 10, path: /dry-run/payments}", kWriteShadowKeys);
constexpr std::array<const Shape*, 2> kWriteShadowForms = {&kOffValue, &kWriteShadowRule};
constexpr Shape kWriteShadow = any_of(kWriteShadowForms, "write_shadow",
                                      "off, or a safe way such as {percent: 10, path: /dry-run/payments}");

constexpr std::array kReadRouteKeys = {
    KeyShape{"read", &kClassValue, kRequired, "The read class of this path."},
    route_key(kReadRouteValue),
    KeyShape{"switch_group", &kNameValue, kOptional, "Read paths of one group move in one step."},
    kHostKey,
    kHeadersKey,
    kKeyKey,
    KeyShape{"shadow", &kShareValue, kOptional,
             "The share of requests that is copied to the side that does not answer; all if left out."},
    kCompareKey,
    kCompareHeadersKey,
    kRedactKey,
    kRecheckKey};
constexpr std::array kWriteRouteKeys = {
    KeyShape{"write", &kTrueValue, kRequired, "This path writes."},
    route_key(kRouteValue),
    KeyShape{"operation_key", &kRequestParts, kRequired,
             "What identifies one business operation across retries and sides."},
    kHostKey,
    kHeadersKey,
    kKeyKey,
    KeyShape{"shadow", &kWriteShadow, kOptional, "A safe way to shadow this write; off if left out."},
    kCompareKey,
    kCompareHeadersKey,
    kRedactKey,
    kRecheckKey};
constexpr Shape kReadRoute = object("read_route", "a route that reads", kReadRouteKeys, "read");
constexpr Shape kWriteRoute = object("write_route", "a route that writes", kWriteRouteKeys, "write");
constexpr std::array<const Shape*, 2> kRouteForms = {&kReadRoute, &kWriteRoute};
constexpr Shape kRouteRule =
    any_of(kRouteForms, "route", "a route such as {route: GET /payments/{payment_id}, read: latency}");

// ---- services and the gateway ----

constexpr Shape kServiceList = list_of(kServiceValue, "service_list", "a list of HTTP addresses");
constexpr std::array<const Shape*, 2> kServiceForms = {&kServiceValue, &kServiceList};

constexpr std::array kTlsListenKeys = {
    KeyShape{"address", &kListenValue, kRequired, "Where the gateway listens."},
    KeyShape{"certificate", &kFilledValue, kRequired, "The file with the certificate and its chain, in PEM."},
    KeyShape{"key", &kFilledValue, kRequired, "The file with its private key, in PEM."}};
constexpr Shape kTlsListen = object("tls_listen", "an address with TLS", kTlsListenKeys);
constexpr std::array<const Shape*, 2> kListenForms = {&kListenValue, &kTlsListen};
constexpr Shape kListenRule =
    any_of(kListenForms, "listen_rule",
           "an address such as 127.0.0.1:8080, or {address: ..., certificate: ..., key: ...}");
constexpr Shape kListenList =
    list_of(kListenRule, "listen", "a list of addresses such as [\"127.0.0.1:8080\"]");

constexpr std::array kGatewayLimitsKeys = {
    KeyShape{"connections", &kNumberValue, kOptional,
             "Connections of users that may be open at once; 20000 if left out."},
    KeyShape{"requests", &kNumberValue, kOptional,
             "Requests that the services may be asked at once; 2000 if left out."},
    KeyShape{"header_bytes", &kMemoryValue, kOptional, "The largest head of a request; 32kB if left out."},
    KeyShape{"header_time", &kTimeValue, kOptional,
             "The longest time that the head of a request may take; 10s if left out."},
    KeyShape{"idle_time", &kTimeValue, kOptional,
             "How long a connection may rest between two requests; 75s if left out."},
    KeyShape{"connect_time", &kTimeValue, kOptional,
             "The longest time to connect to a service; 2s if left out."},
    KeyShape{"answer_time", &kTimeValue, kOptional,
             "The longest time until a service begins to answer; 60s if left out."},
    KeyShape{"body_time", &kTimeValue, kOptional,
             "The longest pause between two pieces of a body; 60s if left out."},
    KeyShape{"drain_time", &kTimeValue, kOptional,
             "How long requests under way may take when the gateway stops; 30s if left out."}};
constexpr Shape kGatewayLimits =
    object("gateway_limits", "limits such as {connections: 20000, idle_time: 75s}", kGatewayLimitsKeys);

constexpr std::array kShadowLimitsKeys = {
    KeyShape{"memory", &kMemoryValue, kOptional, "What all shadows together may hold; 64MB if left out."},
    KeyShape{"body", &kMemoryValue, kOptional, "The largest body that is shadowed; 1MB if left out."},
    KeyShape{"time", &kTimeValue, kOptional, "The longest time that a shadow may take; 10s if left out."},
    KeyShape{"connections", &kNumberValue, kOptional,
             "Connections for shadows to each side; 32 if left out."},
    KeyShape{"twin", &kShareOrNoneValue, kOptional,
             "The share of shadowed reads for which legacy is asked twice, which shows its own "
             "noise; 5% if left out, 0: none."}};
constexpr Shape kShadowLimits =
    object("shadow_limits", "limits such as {memory: 64MB, time: 10s}", kShadowLimitsKeys);

constexpr std::array kHealthKeys = {
    KeyShape{"every", &kTimeValue, kOptional, "How often a service is asked; 2s if left out."},
    KeyShape{"failures", &kNumberValue, kOptional,
             "After so many in a row an address is left alone until it is well again; 3 if left out."}};
constexpr Shape kHealth = object("health", "a rule such as {every: 2s, failures: 3}", kHealthKeys);

constexpr std::array kReadYourWritesKeys = {
    KeyShape{"cookie", &kFieldNameValue, kOptional,
             "The cookie in which a client carries along how far it has seen."},
    KeyShape{"header", &kFieldNameValue, kOptional,
             "The header field of answers that a client sends along with its next request."},
    KeyShape{"wait", &kTimeValue, kOptional,
             "How long a read waits for the stream before the authority answers it; 50ms if left out."}};
constexpr Shape kReadYourWrites =
    object("read_your_writes", "a rule such as {cookie: oxbow_seen, wait: 50ms}", kReadYourWritesKeys);

constexpr std::array kGatewayKeys = {
    KeyShape{"listen", &kListenList, kRequired, "Where the gateway listens."},
    KeyShape{"state_headers", &kSwitchValue, kOptional,
             "Whether answers say which side gave them and in which state; false if left out."},
    KeyShape{"access_log", &kFilledValue, kOptional,
             "The file with a line of JSON for each request; - is the standard output."},
    KeyShape{"version_header", &kFieldNameValue, kOptional,
             "The header field in which the services name their version: a new one makes verdicts expire."},
    KeyShape{"limits", &kGatewayLimits, kOptional, "How much users may ask of the gateway."},
    KeyShape{"shadow", &kShadowLimits, kOptional, "How much shadows may cost."},
    KeyShape{"health", &kHealth, kOptional, "When an address of a service is left alone."},
    KeyShape{"read_your_writes", &kReadYourWrites, kOptional,
             "How a client that has written is kept from reading an older state; it is not if left out."},
    kRedactKey};

}  // namespace

constinit const Shape kRoutes = list_of(kRouteRule, "routes", "a list of routes");
constinit const Shape kGateway =
    object("gateway", "a gateway such as {listen: [\"127.0.0.1:8080\"]}", kGatewayKeys);
constinit const Shape kServices =
    any_of(kServiceForms, "services", "an HTTP address such as http://127.0.0.1:8081, or a list of them");
constinit const Shape kHealthPath = kPathValue;

}  // namespace oxbow::grammar
