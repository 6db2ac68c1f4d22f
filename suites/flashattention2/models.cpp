#include "suites/flashattention2/models.hpp"

#include <array>
#include <new>
#include <stdexcept>

#include "harness/model/value.hpp"

namespace ashlar::flashattention2::suite {

namespace {

using model::Better;
using model::Device;
using model::Outcome;
using model::Point;
using model::Tier;

constexpr double kHidden = 2048;    // heads * head_dim of the paper's grid
constexpr double kTokens = 16384;   // batch * seqlen of it
constexpr double kGpuBytes = 80e9;  // of an A100 or H100 with 80 GB

}  // namespace

MatrixBytes pytorch_matrix_bytes(double heads, double seqlen, bool causal) {
  const double one = 2 * heads * seqlen * seqlen;
  constexpr int kAtOnce = 3;
  const int all = causal ? 6 : 5;
  return {kAtOnce * one, all * one};
}

TrainingModel training_model(const std::string& name) {
  if (name == "13b") return {24, 2048, 1.31e9};
  if (name == "27b") return {32, 2560, 2.65e9};
  throw std::invalid_argument("no model '" + name + "'");
}

double training_rate(const TrainingModel& model, double seqlen, double attention, double rest) {
  const double products = 6 * seqlen * model.parameters;
  const double scores = model.layers * model.hidden * seqlen * seqlen;
  // Forward 4, both passes 3.5 times that, halved for the mask: 7 per layer.
  const double seconds = products / rest + 7 * scores / attention;
  return (products + 12 * scores) / seconds;
}

double figure_4_rate(const std::string& method, std::int64_t seqlen) {
  struct Row {
    const char* method;
    double at_2k;
    double at_8k;
  };
  static constexpr std::array<Row, 3> kRows = {
      {{"none", 32, 34}, {"fa1", 69, 80}, {"fa2", 155, 182}}};
  for (const Row& row : kRows) {
    if (method != row.method) continue;
    if (seqlen == 2048) return row.at_2k;
    if (seqlen == 8192) return row.at_8k;
  }
  throw std::invalid_argument("figure 4 has no rate of " + method + " here");
}

double training_rest() {
  constexpr double kReported = 196;
  constexpr double kSeqlen = 2048;
  const TrainingModel model = training_model("13b");
  const double products = 6 * kSeqlen * model.parameters;
  const double scores = model.layers * model.hidden * kSeqlen * kSeqlen;
  return products /
         ((products + 12 * scores) / kReported - 7 * scores / figure_4_rate("fa2", 2048));
}

namespace {

struct MemoryProblem {
  double heads = 0;  // times batch
  double seqlen = 0;
  bool causal = false;
};

MemoryProblem make_memory_problem(const Point& point, std::uint64_t) {
  const double seqlen = point.number("seqlen");
  return {kHidden / point.number("head_dim") * kTokens / seqlen, seqlen, point.flag("causal")};
}

/// Ends like an allocation on the device would.
Outcome fitted(double bytes) {
  if (bytes > kGpuBytes) throw std::bad_alloc();
  Outcome outcome;
  outcome.metrics["gigabytes"] = bytes * 1e-9;
  return outcome;
}

void declare_memory(model::Suite& suite) {
  suite.study<MemoryProblem>("pytorch-memory")
      .about("16-bit N x N matrices of PyTorch's standard attention, both passes, against 80 GB")
      .axis("seqlen", {512, 1024, 2048, 4096, 8192, 16384}, "tokens")
      .in(model::Mode::quick, {16384})
      .axis("head_dim", {64, 128})
      .axis("causal", {false, true})
      .problem(make_memory_problem)
      .metric("gigabytes", Better::lower, "GB")
      .add(Tier::reference, "at-once",
           [](const MemoryProblem& problem) {
             return fitted(
                 pytorch_matrix_bytes(problem.heads, problem.seqlen, problem.causal).least);
           },
           {.about = "the matrices that must be there at one time", .device = Device::model})
      .add(
          Tier::reference, "nothing-freed",
          [](const MemoryProblem& problem) {
            return fitted(pytorch_matrix_bytes(problem.heads, problem.seqlen, problem.causal).most);
          },
          {.about = "every matrix of both passes, none freed", .device = Device::model})
      .add(Tier::optimized, "flash",
           [](const MemoryProblem& problem) {
             // lse and D per row, and dq in single precision.
             const double rows = problem.heads * problem.seqlen;
             return fitted(rows * 8 + 4 * kTokens * kHidden);
           },
           {.about = "FlashAttention-2: two numbers per row, dq in single precision",
            .device = Device::model});
}

struct TrainingProblem {
  std::string model;
  std::int64_t seqlen = 0;
};

void declare_training(model::Suite& suite) {
  auto study = suite.study<TrainingProblem>("training");
  study.about("training speed from figure 4's rates and one number of table 1")
      .axis("model", {"13b", "27b"})
      .axis("seqlen", {2048, 8192}, "tokens")
      .problem([](const Point& point, std::uint64_t) {
        return TrainingProblem{point.word("model"), point.integer("seqlen")};
      })
      .metric("tflops", Better::higher, "TFLOP/s");
  for (const char* method : {"none", "fa1", "fa2"}) {
    study.add(Tier::reference, method,
              [method](const TrainingProblem& problem) {
                Outcome outcome;
                outcome.metrics["tflops"] = training_rate(
                    training_model(problem.model), static_cast<double>(problem.seqlen),
                    figure_4_rate(method, problem.seqlen), training_rest());
                return outcome;
              },
              {.about = "attention at figure 4's rate of this method", .device = Device::model});
  }
}

struct Peaks {
  double products;      // TFLOP/s of matrix products in 16 bits
  double single;        // of single-precision arithmetic
  double exponentials;  // T/s; 0: not known
};

void declare_peaks(model::Suite& suite) {
  struct NoProblem {};
  auto study = suite.study<NoProblem>("peaks");
  study.about("what an operation outside of matrix products costs, by data sheets")
      .axis("cost", {"data-sheet"})
      .problem([](const Point&, std::uint64_t) { return NoProblem{}; })
      .metric("arithmetic", Better::lower, "x")
      .metric("exponential", Better::lower, "x");
  constexpr std::pair<const char*, Peaks> kDevices[] = {{"a100", {312, 19.5, 0}},
                                                        {"h100", {989, 67, 3.9}}};
  for (const auto& [name, peaks] : kDevices) {
    study.add(Tier::reference, name,
              [peaks = peaks](const NoProblem&) {
                Outcome outcome;
                outcome.metrics["arithmetic"] = peaks.products / peaks.single;
                if (peaks.exponentials > 0)
                  outcome.metrics["exponential"] = peaks.products / peaks.exponentials;
                return outcome;
              },
              {.about = "peaks of the vendor's data sheet", .device = Device::model});
  }
}

}  // namespace

void declare_models(model::Suite& suite) {
  declare_memory(suite);
  declare_training(suite);
  declare_peaks(suite);
}

}  // namespace ashlar::flashattention2::suite
