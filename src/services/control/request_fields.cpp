#include "services/control/request_fields.hpp"

#include <boost/json.hpp>

namespace oxbow {

namespace json = boost::json;

struct RequestFields::Impl {
  json::object left;  // fields that were not asked for yet
  Status status;

  std::optional<json::value> take(std::string_view field) {
    auto found = left.find(field);
    if (found == left.end()) return std::nullopt;
    auto value = found->value();
    left.erase(found);
    if (value.is_null()) return std::nullopt;
    return value;
  }

  void mistyped(std::string_view field, std::string_view wanted) {
    if (status) status = Err(ErrorCode::usage, "field `{}` must be {}", field, wanted);
  }
};

RequestFields::RequestFields(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RequestFields::RequestFields(RequestFields&&) noexcept = default;
RequestFields::~RequestFields() = default;

Result<RequestFields> RequestFields::parse(std::string_view body) {
  auto impl = std::make_unique<Impl>();
  if (!body.empty()) {
    boost::system::error_code error;
    auto value = json::parse(body, error);
    if (error) return Err(ErrorCode::malformed, "the request's body is no JSON: {}", error.message());
    if (!value.is_object()) return Err(ErrorCode::malformed, "the request's body is no JSON object");
    impl->left = std::move(value.as_object());
  }
  return RequestFields(std::move(impl));
}

std::optional<std::string> RequestFields::text(std::string_view field) {
  auto value = impl_->take(field);
  if (!value) return std::nullopt;
  if (value->is_string()) return std::string(value->as_string());
  impl_->mistyped(field, "a text");
  return std::nullopt;
}

std::optional<std::uint64_t> RequestFields::number(std::string_view field) {
  auto value = impl_->take(field);
  if (!value) return std::nullopt;
  boost::system::error_code error;
  auto number = value->to_number<std::uint64_t>(error);
  if (!error) return number;
  impl_->mistyped(field, "a whole number, 0 or more");
  return std::nullopt;
}

bool RequestFields::flag(std::string_view field) {
  auto value = impl_->take(field);
  if (!value) return false;
  if (value->is_bool()) return value->as_bool();
  impl_->mistyped(field, "true or false");
  return false;
}

Status RequestFields::finish() const {
  if (!impl_->status) return impl_->status;
  if (impl_->left.empty()) return {};
  return Err(ErrorCode::usage, "field `{}` is not known here", std::string_view(impl_->left.begin()->key()));
}

}  // namespace oxbow
