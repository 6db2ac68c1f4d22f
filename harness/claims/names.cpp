#include "harness/claims/names.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

namespace ashlar::claims {

namespace detail {

const std::vector<std::pair<std::string, Form>>& form_names() {
  static const std::vector<std::pair<std::string, Form>> kForms = {
      {"ratio", Form::ratio},       {"within", Form::within},     {"ordering", Form::ordering},
      {"monotone", Form::monotone}, {"slope", Form::slope},       {"crossover", Form::crossover},
      {"count", Form::count},       {"fits", Form::fits},         {"equal", Form::equal},
      {"holds", Form::holds},       {"duration", Form::duration},
  };
  return kForms;
}

bool is_sampled_metric(const std::string& metric) {
  static constexpr std::array kSampled = {
      "time", "rate", "bandwidth", "peak-share", "bandwidth-share", "read-share"};
  return std::find(kSampled.begin(), kSampled.end(), metric) != kSampled.end();
}

bool is_norm(const std::string& metric) { return metric.rfind("norm.", 0) == 0; }

bool is_builtin_metric(const std::string& metric) {
  return is_sampled_metric(metric) || metric == "memory" || metric == "workspace" ||
         is_norm(metric);
}

std::string located(const std::filesystem::path& file, Place place, std::string_view text) {
  if (place.line == 0) return fmt::format("{}: {}", file.string(), text);
  return fmt::format("{}:{}:{}: {}", file.string(), place.line, place.column, text);
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

void add_once(std::vector<std::string>& into, std::string text) {
  if (std::find(into.begin(), into.end(), text) == into.end()) into.push_back(std::move(text));
}

}  // namespace detail

std::string_view name_of(Reach reach) {
  switch (reach) {
    case Reach::direct:
      return "direct";
    case Reach::scaled:
      return "scaled";
    case Reach::model:
      return "model";
    case Reach::out_of_reach:
      return "out-of-reach";
  }
  return "";
}

std::string_view name_of(Form form) {
  for (const auto& [name, value] : detail::form_names())
    if (value == form) return name;
  return "";
}

std::string_view name_of(Over over) {
  switch (over) {
    case Over::all:
      return "all";
    case Over::any:
      return "any";
    case Over::geomean:
      return "geomean";
    case Over::max:
      return "max";
  }
  return "";
}

}  // namespace ashlar::claims
