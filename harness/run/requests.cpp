#include "harness/run/requests.hpp"

namespace ashlar::run {

Json hello_request() { return {{"do", "hello"}, {"protocol", kProtocol}}; }

Json open_request(const Plan& plan, const PlannedPoint& planned) {
  return {{"do", "open"},
          {"suite", planned.experiment->suite},
          {"experiment", planned.experiment->name},
          {"mode", model::name_of(plan.mode)},
          {"point", planned.point.to_json()},
          {"seed", point_seed(plan.seed, *planned.experiment, planned.point)}};
}

Json sample_request(const std::string& implementation, std::int64_t batch) {
  return {{"do", "sample"}, {"implementation", implementation}, {"n", 1}, {"batch", batch}};
}

std::optional<std::string> refusal(const Reply& reply) {
  if (reply.kind != Reply::Kind::message) return reply.reason;
  if (reply.message.value("ok", false)) return std::nullopt;
  return reply.message.value("error", std::string("refused without a reason"));
}

std::optional<std::int64_t> optional_integer(const Json& answer, const char* field) {
  if (!answer.contains(field) || answer.at(field).is_null()) return std::nullopt;
  return answer.at(field).get<std::int64_t>();
}

}  // namespace ashlar::run
