#pragma once
// Made-up but realistic records for the tests of this folder.
#include <cmath>
#include <string>
#include <vector>

#include "harness/record/file.hpp"

namespace ashlar::report::made_up {

using model::Json;
using model::Point;
using record::CaseRecord;
using record::RecordSet;
using record::RunRecord;
using record::Status;

inline constexpr const char* kRun = "20260704T101500-ab12";
/// The cases of one point of attention_sweep(), as a filter has them.
inline constexpr const char* kSmallest = "seqlen=512,head_dim=64,causal=false,dtype=f32/";

/// Six implementations of attention, one experiment with declared figures, two calibrated thread
/// counts.
inline RunRecord run_record(const std::string& run_id = kRun) {
  RunRecord run;
  run.run_id = run_id;
  run.started = "2026-07-04T10:15:00Z";
  run.mode = "quick";
  run.seed = 42;
  run.threads = 2;
  run.machine_id = "amd-epyc-zen5-2c";
  run.machine = {{"cpu", {{"model_name", "AMD EPYC 9755 128-Core Processor"}}}, {"gpu", nullptr}};
  const auto rate = [](double value) { return Json{{"rate", value}, {"spread", 0.01}}; };
  run.calibration["teams"] = Json::array({{{"threads", 1},
                                           {"f32_gflops", rate(224)},
                                           {"bf16_gflops", rate(447)},
                                           {"copy_gb_per_s", rate(11)}},
                                          {{"threads", 2},
                                           {"f32_gflops", rate(447)},
                                           {"bf16_gflops", rate(891)},
                                           {"copy_gb_per_s", rate(21)}}});
  const Json panels = {"head_dim", "causal", "dtype"};
  const auto figure = [&](const char* kind, Json over) {
    return Json{{"name", kind},     {"kind", kind}, {"x", "seqlen"},
                {"panels", panels}, {"over", over}, {"title", ""}};
  };
  const auto implementation = [](const char* name, const char* tier) {
    return Json{{"name", name}, {"tier", tier}, {"device", "cpu"}, {"about", ""}};
  };
  run.experiments = Json::array();
  run.experiments.push_back(
      {{"suite", "attention"},
       {"experiment", "forward"},
       {"kind", "timed"},
       {"about", "Exact attention, forward pass."},
       {"axes",
        {{{"name", "seqlen"}, {"unit", ""}, {"values", {512, 1024, 2048, 4096, 8192, 16384}}},
         {{"name", "head_dim"}, {"unit", ""}, {"values", {64, 128}}},
         {{"name", "causal"}, {"unit", ""}, {"values", {false, true}}},
         {{"name", "dtype"}, {"unit", ""}, {"values", {"f32", "bf16"}}}}},
       {"implementations",
        {implementation("naive", "naive"), implementation("standard", "peer"),
         implementation("chunked", "peer"), implementation("reference", "reference"),
         implementation("flash", "optimized"), implementation("flash-bf16-dot", "optimized")}},
       {"metrics", Json::array()},
       {"baselines", {"standard", "naive"}},
       {"figures",
        {figure("time", Json::array()), figure("rate", Json::array()),
         figure("speedup", {"standard"}), figure("memory", Json::array())}}});
  return run;
}

inline Point attention_point(std::int64_t seqlen, std::int64_t head_dim, bool causal,
                             const std::string& dtype) {
  return Point({{"seqlen", seqlen}, {"head_dim", head_dim}, {"causal", causal}, {"dtype", dtype}});
}

/// A case with samples around `ns`: a deterministic saw of 2 %.
inline CaseRecord case_record(const std::string& run_id, const Point& point,
                              const std::string& implementation, const std::string& tier, double ns,
                              int round = 0, int samples = 15) {
  CaseRecord record;
  record.run_id = run_id;
  record.suite = "attention";
  record.experiment = "forward";
  record.point = point;
  record.implementation = implementation;
  record.tier = tier;
  record.device = "cpu";
  record.key = "attention/forward/" + point.text() + "/" + implementation;
  record.case_id = model::hex(model::stable_hash(record.key));
  record.round = round;
  record.threads = 2;
  record.warmups = 2;
  record.stop_reason = "converged";
  for (int i = 0; i < samples; ++i) {
    const double wiggle = 1 + 0.01 * ((i * 7 + round * 3) % 5 - 2);
    record.samples_ns.push_back(std::llround(ns * wiggle));
    record.cpu_ns.push_back(std::llround(1.9 * ns * wiggle));
  }
  const double n = point.number("seqlen");
  const double d = point.number("head_dim");
  const double width = point.word("dtype") == "f32" ? 4 : 2;
  model::Work work;
  work.flops = 4 * n * n * d * (point.flag("causal") ? 0.5 : 1) * 4;
  work.bytes = 4 * n * d * width * 4;
  work.precision = point.word("dtype");
  record.work = work;
  return record;
}

inline void refuse(CaseRecord& record, Status status, const std::string& reason) {
  record.status = status;
  record.reason = reason;
  record.samples_ns.clear();
  record.cpu_ns.clear();
  record.stop_reason = std::nullopt;
}

/// The full sweep: 6 lengths x 2 x 2 x 2 x 6 implementations x `rounds`.
inline RecordSet attention_sweep(int rounds = 2, const std::string& run_id = kRun) {
  RecordSet records;
  records.runs.push_back(run_record(run_id));
  struct Kind {
    const char* name;
    const char* tier;
    double f32_rate;  // GFLOP/s
    double bf16_rate;
    double causal_gain;  // 1: does all the work; 2: skips half of it
    bool square;         // memory
  };
  const Kind kinds[] = {{"naive", "naive", 9, 7, 1.6, true},
                        {"standard", "peer", 310, 420, 1.0, true},
                        {"chunked", "peer", 320, 430, 1.75, false},
                        {"reference", "reference", 22, 18, 1.9, false},
                        {"flash", "optimized", 370, 380, 1.9, false},
                        {"flash-bf16-dot", "optimized", 0, 690, 1.85, false}};
  for (const int seqlen : {512, 1024, 2048, 4096, 8192, 16384}) {
    for (const int head_dim : {64, 128}) {
      for (const bool causal : {false, true}) {
        for (const std::string dtype : {"f32", "bf16"}) {
          const Point point = attention_point(seqlen, head_dim, causal, dtype);
          for (const Kind& kind : kinds) {
            for (int round = 0; round < rounds; ++round) {
              CaseRecord record = case_record(run_id, point, kind.name, kind.tier, 1, round);
              const double rate = dtype == "f32" ? kind.f32_rate : kind.bf16_rate;
              const double ramp = seqlen / (seqlen + 260.0) * (head_dim == 128 ? 1.06 : 1.0);
              const double gain = causal ? kind.causal_gain / 2 : 1;
              const double ns = record.work->flops / std::max(1e-9, rate * ramp * gain);
              record =
                  case_record(run_id, point, kind.name, kind.tier, ns, round, ns > 1e9 ? 3 : 15);
              const double width = dtype == "f32" ? 4 : 2;
              record.peak_extra_bytes = static_cast<std::int64_t>(
                  kind.square ? 4 * width * seqlen * seqlen : 65536 + 260.0 * seqlen);
              if (kind.name == std::string("flash-bf16-dot") && dtype == "f32")
                refuse(record, Status::unsupported, "bfloat16 only");
              if (kind.name == std::string("naive") && seqlen >= 8192)
                refuse(record, Status::unsupported, "more work than the limit of 2e+10 FLOP");
              if (kind.name == std::string("standard") && seqlen == 16384)
                refuse(record, Status::out_of_memory, "needs 4.0 GiB, the limit is 3.5 GiB");
              if (kind.name == std::string("reference") && (seqlen != 2048 || head_dim != 64))
                continue;
              records.cases.push_back(std::move(record));
            }
          }
        }
      }
    }
  }
  return records;
}

/// A study of two methods over iterations, `seeds` times, with a declared curve.
inline RecordSet descent_study(int seeds = 5, const std::string& run_id = "20260704T110000-cd34") {
  RecordSet records;
  RunRecord run = run_record(run_id);
  run.experiments = Json::array();
  run.experiments.push_back({{"suite", "descent"},
                             {"experiment", "lasso"},
                             {"kind", "study"},
                             {"about", "Gap over iterations."},
                             {"axes",
                              {{{"name", "block"}, {"unit", "coordinates"}, {"values", {1, 5, 50}}},
                               {{"name", "rule"}, {"unit", ""}, {"values", {"greedy"}}}}},
                             {"implementations",
                              {{{"name", "cyclic"}, {"tier", "naive"}},
                               {{"name", "random"}, {"tier", "reference"}},
                               {{"name", "greedy"}, {"tier", "optimized"}}}},
                             {"metrics",
                              {{{"name", "gap"}, {"better", "lower"}, {"unit", ""}},
                               {{"name", "seconds"}, {"better", "lower"}, {"unit", "s"}}}},
                             {"baselines", Json::array()},
                             {"figures",
                              {{{"name", "gap"},
                                {"kind", "curve"},
                                {"x", "iteration"},
                                {"panels", {"block"}},
                                {"over", {"descent", "gap"}},
                                {"title", "Gap to the optimum"}},
                               {{"name", "gap-by-block"},
                                {"kind", "metric"},
                                {"x", "block"},
                                {"panels", Json::array()},
                                {"over", {"gap"}},
                                {"title", ""}}}}});
  records.runs.push_back(run);
  for (const int block : {1, 5, 50}) {
    const std::pair<const char*, double> kinds[] = {
        {"cyclic", 0.02}, {"random", 0.03}, {"greedy", 0.07}};
    for (const auto& [name, speed] : kinds) {
      for (int seed = 0; seed < seeds; ++seed) {
        record::StudyRecord record;
        record.run_id = run_id;
        record.suite = "descent";
        record.experiment = "lasso";
        record.point = Point({{"block", block}, {"rule", "greedy"}});
        record.implementation = name;
        record.tier = "reference";
        record.device = "cpu";
        record.key = "descent/lasso/" + record.point.text() + "/" + name;
        record.case_id = model::hex(model::stable_hash(record.key));
        record.seed = static_cast<std::uint64_t>(seed);
        std::vector<double> iteration;
        std::vector<double> gap;
        for (int k = 0; k <= 60; ++k) {
          iteration.push_back(k * 10);
          gap.push_back(
              100 * std::exp(-speed * std::sqrt(block) * k * 10 / 4 * (1 + 0.08 * (seed - 2))) +
              1e-12);
        }
        record.metrics["gap"] = gap.back();
        record.metrics["seconds"] = 0.5 + 0.1 * seed;
        record.curves["descent"] = {{"iteration", iteration}, {"gap", gap}};
        record.wall_ns = 500000000;
        records.studies.push_back(std::move(record));
      }
    }
  }
  return records;
}

}  // namespace ashlar::report::made_up
