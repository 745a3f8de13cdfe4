#include "services/control/service_findings.hpp"

#include <fmt/core.h>

namespace oxbow {
namespace {

std::string sentence_of(const RequestFigures::Address& service) {
  auto failed = fmt::format(
      "the {} service {} has failed several times in a row and has not answered since; "
      "it is tried again from time to time, and until then ",
      name(service.side), service.address);
  return failed + (service.fails_users ? "users who need it get errors" : "requests to it are not compared");
}

}  // namespace

std::vector<Finding> service_findings(const RequestFigures& figures, const Owners& owners) {
  std::vector<Finding> findings;
  for (const auto& each : figures.addresses) {
    if (!each.fails_users && !each.fails_shadows) continue;
    findings.push_back({.kind = FindingKind::service_failing,
                        .entity = {},
                        .table = {},
                        .key = each.address,
                        .sentence = sentence_of(each),
                        .detail = {},
                        .owner = each.side == Side::legacy ? owners.legacy : owners.new_side});
  }
  return findings;
}

}  // namespace oxbow
