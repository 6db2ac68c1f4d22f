#pragma once
// Claims as data: what a paper says and how records answer it. docs/claims.md is the reference of
// the file format; load() reads it, judge() (judge.hpp) gives the verdicts.
#include <array>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/model/value.hpp"
#include "harness/record/file.hpp"

namespace ashlar::model {
class Suite;
}

namespace ashlar::claims {

using model::Point;
using model::Value;

inline constexpr double kInf = std::numeric_limits<double>::infinity();

/// A closed interval of wanted values.
struct Range {
  double low = -kInf;
  double high = kInf;

  bool contains(double value) const { return low <= value && value <= high; }
  bool operator==(const Range&) const = default;
};

/// Where in the claim file something stands; 0 when it was made by the program.
struct Place {
  std::size_t line = 0;
  std::size_t column = 0;
};

/// A name that must be declared by the experiment, and where it is written.
struct Name {
  std::string text;
  Place place;
};

/// direct: the same question; scaled: a smaller or other setting; model: a formula answers.
enum class Reach { direct, scaled, model, out_of_reach };
enum class Form {
  ratio,
  within,
  ordering,
  monotone,
  slope,
  crossover,
  count,
  fits,
  equal,
  holds,
  duration,
};
enum class Over { all, any, geomean, max };
enum class Better { lower, higher };

std::string_view name_of(Reach reach);
std::string_view name_of(Form form);
std::string_view name_of(Over over);

/// One axis of `where`: either listed values, which must all have been measured, or a range.
struct Constraint {
  Name axis;
  std::vector<Value> values;
  std::optional<Range> range;
  bool admits(const Value& value) const;
};

/// `of`, `to` or `minus`: whose value is taken, and where the sides differ.
struct Side {
  Name implementation;  // empty text: every implementation (form holds)
  std::string metric;
  std::vector<std::pair<Name, Value>> axes;
};

/// How a number comes out of a study's curve.
struct CurveSelector {
  std::string curve;
  std::optional<std::pair<std::string, double>> at;  // column, value
  std::optional<double> first_below;
  std::optional<double> first_above;
  std::string read;  // column whose value is taken at the crossing; empty: the abscissa
};

struct Check {
  Place place;
  Form form = Form::ratio;
  Name experiment;
  Name metric;
  std::optional<Side> of;
  std::optional<Side> to;
  std::optional<Side> minus;
  std::vector<Constraint> where;
  Over over = Over::all;
  std::optional<Range> expect;
  std::optional<Range> direction;
  std::string unit;  // empty: the metric's own
  std::optional<Better> better;
  std::optional<CurveSelector> curve;

  double per = 1;                     // ratio, within: divides the measured value
  std::vector<Name> implementations;  // ordering: best first
  bool difference = false;            // ordering, monotone: compare by difference, not by ratio
  Name along;                         // monotone, slope, crossover, fits
  bool rises = true;                  // monotone: the trend; crossover: how the ratio passes
  double level = 1;                   // crossover
  std::optional<Range> inside;        // count
  std::vector<std::pair<double, double>> points;  // fits: reported (x, y), scaled
  bool normalise = false;                         // fits: both series over their first value
  std::optional<double> value;                    // equal
  double tolerance = 0;                           // equal, relative
  std::vector<record::Status> statuses;           // holds
  std::string mode;                               // duration
  std::vector<Name> experiments;                  // duration; all that are looked at
};

struct Claim {
  std::string id;
  Place place;
  std::string says;
  std::string source;
  std::string reported;  // for people: "1.7 to 1.8 x"
  std::optional<Range> reported_value;
  std::string setting;
  Reach reach = Reach::direct;
  std::string because;
  std::vector<std::string> on;  // part of the name of a processor, any of these; empty: any machine
  bool required = false;
  std::string needs;
  std::vector<std::string> changed;
  std::optional<Check> check;
};

/// What may stand beside a suite, in the order of the report: the paper's claims, and our own
/// goals.
inline constexpr std::array<const char*, 2> kClaimFiles = {"claims.toml", "goals.toml"};

struct ClaimFile {
  std::filesystem::path path;
  std::string suite;
  std::string title;  // whose claims these are, when they are not the paper's
  Place suite_place;
  std::vector<Claim> claims;  // in file order, grids expanded where they stand after the claims
};

/// Everything that is wrong with a claim file, one line per problem:
/// `file:line:column: what; remedy`.
class ClaimError : public std::runtime_error {
 public:
  explicit ClaimError(std::vector<std::string> problems);
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  std::vector<std::string> problems_;
};

/// Reads a claim file and the CSV files that it names. Throws ClaimError.
ClaimFile load(const std::filesystem::path& path);
/// The same from text; CSV files are looked up beside `path`.
ClaimFile parse(std::string_view text, const std::filesystem::path& path);

/// What the experiments of a suite declare and what records hold; names in checks are compared with
/// it.
struct Declaration {
  bool study = false;
  /// The values are those of every mode: one that is not there will never be measured.
  bool complete = false;
  std::map<std::string, std::vector<Value>> axes;
  std::vector<std::string> implementations;
  struct Metric {
    std::optional<Better> better;
    std::string unit;
  };
  std::map<std::string, Metric> metrics;
  /// Counters and metrics, and curves with their columns, by implementation: of those that gave an
  /// answer.
  struct Recorded {
    std::set<std::string> metrics;
    std::map<std::string, std::set<std::string>> curves;
  };
  std::map<std::string, Recorded> recorded;
};
using Catalog = std::map<std::string, Declaration>;  // experiment -> declaration

/// Adds what `experiments` (of a run record, or Experiment::describe() of each) says of the suite.
void add_declarations(Catalog& catalog, const std::string& suite, const model::Json& experiments);
/// Adds what the suite itself declares, over all modes.
void add_declarations(Catalog& catalog, const model::Suite& suite);
/// Adds what the runs of the set declare of the suite, and the names that its records hold.
void add_records(Catalog& catalog, const std::string& suite, const record::RecordSet& records);
Catalog catalog_of(const record::RecordSet& records, const std::string& suite);

/// What in a check the catalog does not know, as in ClaimError; empty when nothing speaks against
/// its names. A metric is unknown when its implementation gave answers without it, a value when
/// the declarations are complete and have others.
std::vector<std::string> unknown_names(const Check& check, const Catalog& catalog,
                                       const std::filesystem::path& file);
/// Whether everything that the check names is there: what `needs` waits for. A metric that is
/// neither built in nor declared must have been recorded.
bool everything_known(const Check& check, const Catalog& catalog);
/// Throws ClaimError when the file is about none of these suites.
void require_suite(const ClaimFile& file, const std::vector<std::string>& known);
/// Throws ClaimError when a claim without `needs` names what nobody declares. Returns warnings:
/// claims whose `needs` is no longer needed.
std::vector<std::string> validate(const ClaimFile& file, const Catalog& catalog);

}  // namespace ashlar::claims
