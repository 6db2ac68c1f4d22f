#pragma once
// Suites, experiments and studies: what a paper's evaluation is made of, as data plus a few
// functions.
//
//   Suite suite("toy", "A toy");
//   suite.experiment<Problem, Answer>("sum")
//       .axis("length", {16, 256}).in(Mode::quick, {16})
//       .problem(make_problem)          // (const Point&, std::uint64_t seed) -> Problem
//       .work(sum_work)                 // (const Point&) -> Work
//       .oracle("double", sum_in_double, tolerance)
//       .add(Tier::naive, "loop", loop_sum)
//       .control("off-by-one", wrong_sum);
//
// An Answer is constructed from its Problem and lists its tensors (`std::vector<TensorView>
// tensors()`).
#include <concepts>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "harness/model/method.hpp"
#include "harness/model/oracle.hpp"
#include "harness/model/tensor.hpp"
#include "harness/model/value.hpp"
#include "harness/model/work.hpp"

namespace ashlar::model {

enum class Mode { quick, full, gpu };
enum class Tier { naive, reference, optimized, cuda, peer };
enum class Device { cpu, cuda, model };
enum class Better { lower, higher };

std::string_view name_of(Mode mode);
std::string_view name_of(Tier tier);
std::string_view name_of(Device device);
/// Throw std::invalid_argument with the nearest known name.
Mode parse_mode(std::string_view text);
Tier parse_tier(std::string_view text);

struct Axis {
  std::string name;
  std::string unit;           // for axis titles; may be empty
  std::vector<Value> values;  // where a mode has none of its own
  std::map<Mode, std::vector<Value>> by_mode;
  const std::vector<Value>& values_in(Mode mode) const;
};

/// Options of `add`. Designated initialisers keep declarations readable.
struct ImplementationOptions {
  std::string about;
  Device device = Device::cpu;
  /// Points with more work are "unsupported: ..."; keeps slow baselines inside the budget.
  double most_flops_quick = std::numeric_limits<double>::infinity();
  double most_flops = std::numeric_limits<double>::infinity();
  /// On a GPU: waits for the device (or allocates, or loads code) while it executes. It is then
  /// timed without the blocking kernel, behind which it would wait for ever.
  bool syncs_internally = false;
  /// Threads that it uses whatever the run's count is; 0: the run's.
  int threads = 0;
  /// Mode gpu plans what runs on a device, and of the rest what says this: the opponent on the CPU
  /// with which a claim compares an implementation on a device, since ratios are of one run. Both
  /// are sampled in turns in one process. Its time counts in the mode's 60 s, so keep it to few
  /// points (`most_flops`).
  bool beside_device = false;
  /// Takes seconds until its first answer, which no sample shows: an interpreter that starts,
  /// imports and compiles, a setting that is looked for. Mode quick does without it.
  bool slow_start = false;
};

struct Implementation {
  std::string name;
  Tier tier = Tier::naive;
  ImplementationOptions options;
  /// Empty for implementations inside this program; else the command of a worker in another
  /// language, its first relative path looked up among the installed resources.
  std::vector<std::string> command;
  std::function<Support(const void* problem)> supports;
  std::function<std::unique_ptr<Trial>(const std::shared_ptr<const void>& problem)> bind;
  /// Studies: one execution for one problem.
  std::function<Outcome(const void* problem)> study;
  bool external() const { return !command.empty(); }
  /// Whether a run in this mode may plan it.
  bool runs_in(Mode mode) const {
    if (mode == Mode::quick) return !options.slow_start;
    return mode != Mode::gpu || options.device == Device::cuda || options.beside_device;
  }
};

/// A property that every answer must have; returns what is wrong, or nothing.
struct Invariant {
  std::string name;
  std::function<std::optional<std::string>(const void* problem,
                                           const std::vector<TensorView>& answer)>
      check;
};

/// A figure that `ashlar plot` draws from the records.
struct Figure {
  std::string name;
  std::string kind;                 // time, rate, speedup, memory, curve
  std::string x;                    // axis (or column of the curve)
  std::vector<std::string> panels;  // axes that make separate panels
  std::vector<std::string> over;    // speedup: baselines; curve: [curve, y]
  std::string title;
  std::string log;  // curve and metric: x, y, xy or none; empty: where the data span it
};

struct Metric {
  std::string name;
  Better better = Better::lower;
  std::string unit;
};

enum class Kind { timed, study };

/// An experiment without types: what plan, worker and reports use.
struct Experiment {
  std::string suite;
  std::string name;
  std::string about;
  Kind kind = Kind::timed;
  std::vector<Axis> axes;
  std::function<bool(const Point&, Mode)> keep;  // points to keep; null keeps all
  std::function<std::shared_ptr<const void>(const Point&, std::uint64_t seed)> problem;
  std::function<std::vector<TensorView>(const void* problem)>
      inputs;  // for workers in other languages
  std::function<Work(const Point&)> work;
  std::string oracle_name;
  std::function<Expected(const void* problem)> oracle;
  std::function<Expected(const void* problem)> yardstick;
  std::function<Tolerances(const Point&)> tolerance;
  std::vector<Invariant> invariants;
  std::vector<Implementation> implementations;
  std::vector<Implementation> controls;
  std::vector<std::string> baselines;
  std::vector<Figure> figures;
  std::vector<Metric> metrics;
  int seeds = 1;  // of a study
  /// Whether a study's implementation gives another result for another seed at a point; null: all
  /// do.
  std::function<bool(const Point&, std::string_view implementation)> varies;

  const Implementation* find(std::string_view implementation) const;
  /// How often a study executes it at a point.
  int seeds_of(const Point& point, std::string_view implementation) const {
    return varies && !varies(point, implementation) ? 1 : seeds;
  }
  /// The cross product of the axes in declaration order, filtered by keep.
  std::vector<Point> points(Mode mode) const;
  /// For the run record: what tables and figures need to know.
  Json describe(Mode mode) const;
};

template <class Problem, class Answer>
class ExperimentBuilder;
template <class Problem>
class StudyBuilder;

class Suite {
 public:
  Suite(std::string id, std::string title) : id_(std::move(id)), title_(std::move(title)) {}

  template <class Problem, class Answer>
  ExperimentBuilder<Problem, Answer> experiment(std::string name) {
    return ExperimentBuilder<Problem, Answer>(new_experiment(std::move(name), Kind::timed));
  }
  template <class Problem>
  StudyBuilder<Problem> study(std::string name) {
    return StudyBuilder<Problem>(new_experiment(std::move(name), Kind::study));
  }

  /// Which code the suite and the libraries below it choose on this machine at run time, name by
  /// name ({"isa", "avx512"}, {"onednn", "avx512_core_bf16"}). Recorded with every run and beside
  /// every instruction count, since both hang on it.
  using Kernels = std::map<std::string, std::string>;
  Suite& kernels(std::function<Kernels()> choice) {
    kernels_ = std::move(choice);
    return *this;
  }
  Kernels kernels() const { return kernels_ ? kernels_() : Kernels(); }

  /// How long a run of the suite may take in a mode unless it is told otherwise (--budget): for
  /// suites that the harness's own default would cut short.
  Suite& seconds(Mode mode, double budget) {
    seconds_[mode] = budget;
    return *this;
  }
  double seconds_or(Mode mode, double otherwise) const {
    const auto found = seconds_.find(mode);
    return found == seconds_.end() ? otherwise : found->second;
  }

  const std::string& id() const { return id_; }
  const std::string& title() const { return title_; }
  const std::vector<std::unique_ptr<Experiment>>& experiments() const { return experiments_; }
  const Experiment* find(std::string_view experiment) const;
  /// Throws std::logic_error naming the first fault of the declaration (no problem, no oracle for a
  /// timed experiment, a name used twice, a baseline that is not there, a control without an oracle
  /// ...).
  void validate() const;

 private:
  Experiment& new_experiment(std::string name, Kind kind);

  std::string id_;
  std::string title_;
  std::function<Kernels()> kernels_;
  std::map<Mode, double> seconds_;
  std::vector<std::unique_ptr<Experiment>> experiments_;
};

/// What both builders share: axes and texts.
template <class Self, class Problem>
class BuilderBase {
 public:
  explicit BuilderBase(Experiment& experiment) : experiment_(&experiment) {}

  Self& about(std::string text) {
    return set([&] { experiment_->about = std::move(text); });
  }
  Self& axis(std::string name, std::vector<Value> values, std::string unit = "") {
    return set([&] {
      experiment_->axes.push_back({std::move(name), std::move(unit), std::move(values), {}});
    });
  }
  /// Values of the axis declared last in one mode.
  Self& in(Mode mode, std::vector<Value> values) {
    return set([&] { experiment_->axes.back().by_mode[mode] = std::move(values); });
  }
  Self& keep(std::function<bool(const Point&, Mode)> predicate) {
    return set([&] { experiment_->keep = std::move(predicate); });
  }
  template <class Make>
  Self& problem(Make make) {
    return set([&] {
      experiment_->problem = [make](const Point& point,
                                    std::uint64_t seed) -> std::shared_ptr<const void> {
        return std::make_shared<const Problem>(make(point, seed));
      };
    });
  }
  Self& baselines(std::vector<std::string> names) {
    return set([&] { experiment_->baselines = std::move(names); });
  }
  Self& figure(Figure figure) {
    return set([&] { experiment_->figures.push_back(std::move(figure)); });
  }

 protected:
  template <class Change>
  Self& set(Change change) {
    change();
    return static_cast<Self&>(*this);
  }
  static const Problem& typed(const void* problem) { return *static_cast<const Problem*>(problem); }
  Experiment* experiment_;
};

template <class Problem, class Answer>
class ExperimentBuilder : public BuilderBase<ExperimentBuilder<Problem, Answer>, Problem> {
  using Base = BuilderBase<ExperimentBuilder, Problem>;
  using Base::experiment_;
  using Base::typed;

 public:
  using Base::Base;
  using MakeMethod = std::function<std::unique_ptr<Method<Problem, Answer>>()>;

  ExperimentBuilder& work(const std::function<Work(const Point&)>& formula) {
    experiment_->work = formula;
    return *this;
  }
  /// `expect` computes the answer (or sampled elements) in higher precision.
  ExperimentBuilder& oracle(const std::string& name,
                            const std::function<Expected(const Problem&)>& expect,
                            const std::function<Tolerances(const Point&)>& tolerance) {
    experiment_->oracle_name = name;
    experiment_->oracle = [expect](const void* problem) { return expect(typed(problem)); };
    experiment_->tolerance = tolerance;
    return *this;
  }
  /// A plain computation in the storage precision whose own error scales
  /// Tolerance::yardstick_factor.
  ExperimentBuilder& yardstick(std::function<Expected(const Problem&)> compute) {
    return this->set([&] {
      experiment_->yardstick = [compute](const void* problem) { return compute(typed(problem)); };
    });
  }
  ExperimentBuilder& invariant(
      std::string name,
      std::function<std::optional<std::string>(const Problem&, const std::vector<TensorView>&)>
          check) {
    return this->set([&] {
      experiment_->invariants.push_back(
          {std::move(name), [check](const void* problem, const std::vector<TensorView>& answer) {
             return check(typed(problem), answer);
           }});
    });
  }
  /// The problem's tensors, for workers in other languages.
  ExperimentBuilder& inputs(std::function<std::vector<TensorView>(const Problem&)> list) {
    return this->set([&] {
      experiment_->inputs = [list](const void* problem) { return list(typed(problem)); };
    });
  }

  /// `make` is void(const Problem&, Answer&), or returns a std::unique_ptr to a Method.
  template <class Make>
  ExperimentBuilder& add(Tier tier, std::string name, Make make,
                         ImplementationOptions options = {}) {
    return this->set([&] {
      experiment_->implementations.push_back(
          implementation(tier, std::move(name), make, std::move(options)));
    });
  }
  /// An implementation in another program that speaks the worker protocol
  /// (docs/worker-protocol.md).
  ExperimentBuilder& external(Tier tier, std::string name, std::vector<std::string> command,
                              ImplementationOptions options = {}) {
    return this->set([&] {
      Implementation added;
      added.name = std::move(name);
      added.tier = tier;
      added.options = std::move(options);
      added.command = std::move(command);
      experiment_->implementations.push_back(std::move(added));
    });
  }
  /// A deliberately broken implementation that the oracle must reject.
  template <class Make>
  ExperimentBuilder& control(std::string name, Make make) {
    return this->set([&] {
      experiment_->controls.push_back(implementation(Tier::naive, std::move(name), make, {}));
    });
  }

 private:
  template <class Make>
  static Implementation implementation(Tier tier, std::string name, Make make,
                                       ImplementationOptions options) {
    Implementation added;
    added.name = std::move(name);
    added.tier = tier;
    added.options = std::move(options);
    const MakeMethod method = as_method(make);
    added.supports = [method](const void* problem) { return method()->supports(typed(problem)); };
    added.bind = [method](const std::shared_ptr<const void>& problem) -> std::unique_ptr<Trial> {
      return std::make_unique<detail::MethodTrial<Problem, Answer>>(
          std::static_pointer_cast<const Problem>(problem), method());
    };
    return added;
  }
  template <class Make>
  static MakeMethod as_method(Make make) {
    if constexpr (std::is_invocable_v<Make, const Problem&, Answer&>) {
      return
          [make] { return std::make_unique<detail::FunctionMethod<Problem, Answer, Make>>(make); };
    } else {
      return MakeMethod(make);
    }
  }
};

template <class Problem>
class StudyBuilder : public BuilderBase<StudyBuilder<Problem>, Problem> {
  using Base = BuilderBase<StudyBuilder, Problem>;
  using Base::experiment_;
  using Base::typed;

 public:
  using Base::Base;

  StudyBuilder& seeds(int count) {
    return this->set([&] { experiment_->seeds = count; });
  }
  /// Where the seed changes nothing (a deterministic method on fixed data) one seed is enough.
  StudyBuilder& varies(
      const std::function<bool(const Point&, std::string_view implementation)>& predicate) {
    return this->set([&] { experiment_->varies = predicate; });
  }
  StudyBuilder& metric(std::string name, Better better, std::string unit = "") {
    return this->set([&] {
      experiment_->metrics.push_back({std::move(name), better, std::move(unit)});
    });
  }
  StudyBuilder& add(Tier tier, std::string name, std::function<Outcome(const Problem&)> execute,
                    ImplementationOptions options = {}) {
    return this->set([&] {
      Implementation added;
      added.name = std::move(name);
      added.tier = tier;
      added.options = std::move(options);
      added.supports = [](const void*) { return Support(); };
      added.study = [execute](const void* problem) { return execute(typed(problem)); };
      experiment_->implementations.push_back(std::move(added));
    });
  }
};

/// The table of all suites, made by suites/suites.cpp (and by the toy's tests).
using Registry = std::vector<Suite>;

}  // namespace ashlar::model
