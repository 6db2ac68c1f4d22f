#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/claims/claim.hpp"
#include "harness/cli/options.hpp"
#include "harness/cli/resources.hpp"

namespace ashlar::cli {

namespace {

using model::Mode;
using model::Suite;

std::vector<const Suite*> chosen(const Context& context, const run::Filter& filter) {
  std::vector<std::string> known;
  for (const Suite& suite : *context.registry) known.push_back(suite.id());
  for (const std::string& name : filter.suites) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw UsageError(fmt::format("unknown suite '{}'{}", name, model::suggestion(name, known)));
    }
  }
  std::vector<const Suite*> suites;
  for (const Suite& suite : *context.registry) {
    const bool wanted =
        filter.suites.empty() ||
        std::find(filter.suites.begin(), filter.suites.end(), suite.id()) != filter.suites.end();
    if (wanted) suites.push_back(&suite);
  }
  return suites;
}

void list_experiments(const Suite& suite, Mode mode) {
  for (const auto& experiment : suite.experiments()) {
    fmt::print("{}/{}: {} ({}, {} points in mode {})\n", suite.id(), experiment->name,
               experiment->about, experiment->kind == model::Kind::study ? "study" : "timed",
               experiment->points(mode).size(), model::name_of(mode));
    for (const model::Axis& axis : experiment->axes) {
      std::vector<std::string> values;
      for (const model::Value& value : axis.values_in(mode)) values.push_back(value.text());
      fmt::print("  {} = {}\n", axis.name, fmt::join(values, ", "));
    }
  }
}

void list_implementations(const Suite& suite) {
  for (const auto& experiment : suite.experiments()) {
    for (const model::Implementation& implementation : experiment->implementations) {
      const model::ImplementationOptions& options = implementation.options;
      fmt::print("{}/{}/{}  {}, {}{}{}{}{}\n", suite.id(), experiment->name, implementation.name,
                 model::name_of(implementation.tier), model::name_of(options.device),
                 options.beside_device ? ", in mode gpu too" : "",
                 options.slow_start ? ", not in mode quick" : "", options.about.empty() ? "" : ": ",
                 options.about);
    }
    for (const model::Implementation& control : experiment->controls) {
      fmt::print("{}/{}/{}  negative control\n", suite.id(), experiment->name, control.name);
    }
  }
}

void list_file(const Suite& suite, const std::filesystem::path& path) {
  const claims::ClaimFile file = claims::load(path);
  claims::require_suite(file, {suite.id()});
  claims::Catalog catalog;
  claims::add_declarations(catalog, suite);
  for (const std::string& warning : claims::validate(file, catalog))
    fmt::print(stderr, "warning: {}\n", warning);
  if (!file.title.empty()) fmt::print("{}: {}\n", file.suite, file.title);
  for (const claims::Claim& claim : file.claims) {
    fmt::print("{}  [{}] {}\n", claim.id, claims::name_of(claim.reach), claim.says);
  }
}

void list_claims(const Suite& suite) {
  bool any = false;
  for (const char* name : claims::kClaimFiles) {
    const auto path = find_resource(fmt::format("suites/{}/{}", suite.id(), name));
    if (path.empty()) continue;
    list_file(suite, path);
    any = true;
  }
  if (!any) fmt::print("{}: no claim file\n", suite.id());
}

}  // namespace

int list_command(const Context& context, const Arguments& arguments) {
  Options options("list", "[suites|experiments|cases|implementations|claims] [SUITE...]",
                  "Lists what there is. 'cases' prints exactly what 'ashlar run' with the same "
                  "filters would run.");
  add_filter_options(options);
  if (!options.parse(context, arguments)) return kFine;
  const std::vector<std::string> kinds = {"suites", "experiments", "cases", "implementations",
                                          "claims"};
  run::Filter filter = filter_from(options);
  std::string kind = "suites";
  if (!filter.suites.empty()) {
    kind = filter.suites.front();
    filter.suites.erase(filter.suites.begin());
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
      throw UsageError(
          fmt::format("ashlar list: unknown kind '{}'{}", kind, model::suggestion(kind, kinds)));
    }
  }
  const Mode mode = mode_from(options);
  for (const char* name : {"where", "only", "skip", "tier"}) {
    if (kind != "cases" && options.has(name))
      throw UsageError(
          fmt::format("ashlar list {}: --{} goes with 'ashlar list cases'", kind, name));
  }
  if (kind == "cases") {
    const run::Plan plan = run::make_plan(*context.registry, filter, mode, seed_from(options));
    for (const run::PlannedPoint& planned : plan.points) {
      for (const model::Implementation* implementation : planned.implementations) {
        const std::string key =
            run::case_key(*planned.experiment, planned.point, implementation->name);
        fmt::print("{}  {}\n", run::case_id(key), key);
      }
    }
    return kFine;
  }
  for (const Suite* suite : chosen(context, filter)) {
    if (kind == "suites") fmt::print("{}  {}\n", suite->id(), suite->title());
    if (kind == "experiments") list_experiments(*suite, mode);
    if (kind == "implementations") list_implementations(*suite);
    if (kind == "claims") list_claims(*suite);
  }
  return kFine;
}

}  // namespace ashlar::cli
