// The control API: requests in, the service's answers out as JSON. Every surface (command line, console,
// scripts) speaks this and nothing else.
//
//   GET  /v1/status | /v1/findings?all=1&kind=K&skip=N&limit=N | /v1/events?after=N&limit=N | /v1/metrics |
//   /v1/ready | /v1/rollback-preview?entity=E&cohort=C | /v1/why?key=K | /v1/verify/ID | /v1/traffic |
//   /v1/differences?cluster=ID&route=R&limit=N POST /v1/advance | rollback | halt | pause | resume | rate |
//   verify | retry | close-findings
//        {"who": ..., "why": ..., "dry_run": ...}
#pragma once

#include "ports/http.hpp"
#include "services/control/control_service.hpp"

namespace oxbow {

class ControlApi {
 public:
  explicit ControlApi(ControlService& service) : service_(service) {}

  // Never fails: a refusal is a response with {"error": {"code", "sentence", "detail"}}.
  Task<HttpResponse> handle(HttpRequest request);

 private:
  Result<HttpResponse> answer(const HttpRequest& request);
  Result<HttpResponse> get(const HttpRequest& request);
  Result<HttpResponse> post(const HttpRequest& request);
  Task<HttpResponse> why(HttpRequest request);
  Task<HttpResponse> preview(HttpRequest request);

  ControlService& service_;
};

}  // namespace oxbow
