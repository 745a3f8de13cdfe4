#pragma once
#include "model/http_message.hpp"
#include "model/spec.hpp"
#include "services/gateway/destination.hpp"
namespace oxbow {
class Router {
 public:
  class Question {
   public:
    bool wants_body() const { return false; }
    void feed(std::string_view, bool) {}
  };
  explicit Router(const Spec& spec) : shadow_(!spec.entities.empty() && !spec.entities[0].routes.empty()) {}
  Question begin(const RequestHead&) { return {}; }
  Destination decide(Question&) {
    return {.shadow_skip = shadow_ ? ShadowSkip::none : ShadowSkip::not_wanted};
  }
  bool shadow_;
};
}  // namespace oxbow
