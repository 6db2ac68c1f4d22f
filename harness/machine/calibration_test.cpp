#include "harness/machine/calibration.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "harness/machine/matmul.hpp"

namespace ashlar::machine {
namespace {

Calibration sample() {
  Calibration calibration;
  calibration.timer_resolution_ns = 10;
  calibration.timer_cost_ns = 20.5;
  calibration.cpu_timer_cost_ns = 150;
  calibration.f32_isa = "avx512";
  calibration.bf16_isa = "avx512_bf16";
  calibration.copy_method = "nontemporal";
  calibration.copy_buffer_bytes = 1 << 27;
  calibration.seconds = 0.9;
  const Rate quiet{100, 101, 0.02, 6};
  calibration.teams.push_back({1, quiet, Rate{200, 202, 0.02, 6}, Rate{15, 15, 0.1, 3},
                               Rate{95, 96, 0.01, 3}, Rate{12, 12, 0.1, 3}});
  calibration.teams.push_back({2, Rate{200, 201, 0, 6}, {}, Rate{22, 22, 0, 3}, {}, {}});
  calibration.flags = {"time-limit"};
  return calibration;
}

TEST_CASE("a calibration survives JSON, also as text") {
  const Calibration before = sample();
  CHECK(from_json(to_json(before)) == before);
  CHECK(from_json(Json::parse(to_json(before).dump())) == before);
  CHECK(to_json(before)["teams"][1]["bf16_gflops"].is_null());
  CHECK(to_json(before)["teams"][1]["sgemm_gflops"].is_null());
  CHECK(to_json(before)["teams"][0]["f32_gflops"]["rate"] == 100);
}

TEST_CASE("a bad calibration is refused by the name of its field") {
  using Catch::Contains;
  Json json = to_json(sample());
  json["teams"][1].erase("f32_gflops");
  CHECK_THROWS_WITH(from_json(json), Contains("calibration.teams[1].f32_gflops is missing"));
  json = to_json(sample());
  json["timer"]["cost_ns"] = "fast";
  CHECK_THROWS_WITH(from_json(json), Contains("calibration.timer.cost_ns has the wrong type"));
  json = to_json(sample());
  json["teams"] = 3;
  CHECK_THROWS_AS(from_json(json), std::invalid_argument);
  CHECK_THROWS_AS(from_json(Json(nullptr)), std::invalid_argument);
}

TEST_CASE("flags follow from the rates") {
  Calibration calibration = sample();
  CHECK(rate_flags(calibration).empty());
  calibration.teams[0].sgemm_gflops->rate = 101;
  calibration.teams[1].f32_gflops.rate = 150;
  calibration.teams[1].sgemm_gflops = Rate{100, 100, 0, 3};
  CHECK(rate_flags(calibration) ==
        std::vector<std::string>{"sgemm-above-peak@1", "f32-disturbed@2", "sgemm-below-peak@2"});
}

TEST_CASE("drift is what changed by more than the limit, either way") {
  const Calibration start = sample();
  Calibration end = sample();
  CHECK_FALSE(drift(start, end).any());
  CHECK(drift(start, end).changes.size() == 7);
  end.teams[0].f32_gflops.rate = 94;
  end.teams[1].copy_gb_per_s.rate = 24;
  end.teams[0].bf16_gflops->rate = 206;
  const Drift changed = drift(start, end);
  REQUIRE(changed.any());
  for (const Change& change : changed.changes) {
    const bool expected = (change.rate == "f32" && change.threads == 1) ||
                          (change.rate == "copy" && change.threads == 2);
    CHECK(change.drifted == expected);
  }
  CHECK_FALSE(drift(start, end, 0.1).any());
  CHECK(to_json(changed)["drifted"] == true);
  CHECK(to_json(changed)["changes"][0]["relative"].get<double>() == Approx(-0.06));
  end.teams.erase(end.teams.begin());
  CHECK(drift(start, end).changes.size() == 2);
  end.teams[0].f32_gflops.rate = std::nan("");
  CHECK(drift(start, end).any());
}

TEST_CASE("a GPU's rates drift like the others, and may be absent at either end") {
  Calibration start = sample();
  start.cuda = DeviceRates{2500.0, 800'000.0};
  Calibration end = start;
  CHECK(from_json(to_json(start)) == start);
  CHECK(drift(start, end).changes.size() == 9);
  CHECK_FALSE(drift(start, end).any());
  end.cuda->bf16_gflops = 700'000.0;
  const Drift changed = drift(start, end);
  REQUIRE(changed.any());
  CHECK(changed.changes.back().rate == "cuda-bf16");
  CHECK(changed.changes.back().drifted);
  CHECK_FALSE(changed.changes[7].drifted);
  end.cuda->bf16_gflops.reset();  // no cuBLAS
  CHECK(from_json(to_json(end)) == end);
  CHECK(drift(start, end).changes.size() == 8);
  end.cuda.reset();
  CHECK(drift(start, end).changes.size() == 7);
}

TEST_CASE("old calibrations say nothing of reads alone") {
  Json json = to_json(sample());
  CHECK(json["teams"][0]["read_gb_per_s"]["rate"] == 12);
  for (Json& team : json["teams"]) team.erase("read_gb_per_s");
  const Calibration old = from_json(json);
  CHECK_FALSE(old.teams[0].read_gb_per_s.has_value());
  CHECK(drift(old, sample()).changes.size() == 6);
}

TEST_CASE("old calibrations say nothing of a GPU, whole ones say more than is read") {
  Json json = to_json(sample());
  CHECK(json["cuda"].is_null());
  json.erase("cuda");
  CHECK(from_json(json) == sample());
  json["cuda"] = {{"copy_gb_per_s", {{"rate", 5.0}}},
                  {"bf16_gflops", nullptr},
                  {"matrix_library", "no cuBLAS"}};
  CHECK(from_json(json).cuda == DeviceRates{5.0, std::nullopt});
  json["cuda"].erase("bf16_gflops");
  CHECK_THROWS_WITH(from_json(json), Catch::Contains("calibration.cuda.bf16_gflops is missing"));
}

void check_plausible(const Rate& rate) {
  CHECK(std::isfinite(rate.rate));
  CHECK(rate.rate > 0);
  CHECK(std::isfinite(rate.rate_by_cpu_time));
  CHECK(rate.rate_by_cpu_time > 0);
  CHECK(rate.spread >= 0);
  CHECK(rate.spread < 1);
  CHECK(rate.bursts >= 1);
}

TEST_CASE("measured rates are finite and positive") {
  // How the rates of teams compare is nothing to ask of short bursts: whoever else computes on this
  // machine may stop between two of them.
  CalibrationOptions options;
  options.bursts = 6;
  options.limit_s = 0.5;
  const Calibration calibration = calibrate(options);
  REQUIRE_FALSE(calibration.teams.empty());
  CHECK(calibration.teams[0].threads == 1);
  CHECK(calibration.timer_resolution_ns > 0);
  CHECK(calibration.timer_cost_ns > 0);
  CHECK(calibration.cpu_timer_cost_ns > 0);
  CHECK(calibration.copy_buffer_bytes >= 1 << 20);
  for (const TeamRates& team : calibration.teams) {
    check_plausible(team.f32_gflops);
    check_plausible(team.copy_gb_per_s);
    REQUIRE(team.read_gb_per_s.has_value());
    check_plausible(*team.read_gb_per_s);
    CHECK(team.bf16_gflops.has_value() == calibration.bf16_isa.has_value());
    if (team.bf16_gflops) check_plausible(*team.bf16_gflops);
    CHECK(team.sgemm_gflops.has_value() == onednn_version().has_value());
    if (team.sgemm_gflops) check_plausible(*team.sgemm_gflops);
  }
  CHECK(from_json(to_json(calibration)) == calibration);
}

TEST_CASE("thread counts are checked, sorted and made unique") {
  CHECK_THROWS_AS(calibrate({.threads = {0}}), std::invalid_argument);
  CalibrationOptions options{.threads = {2, 1, 2}, .bursts = 8, .burst_s = 0.0005, .limit_s = 0};
  const Calibration calibration = calibrate(options);
  REQUIRE(calibration.teams.size() == 2);
  CHECK(calibration.team(1) == &calibration.teams[0]);
  CHECK(calibration.team(2) == &calibration.teams[1]);
  CHECK(calibration.team(3) == nullptr);
  CHECK(std::ranges::count(calibration.flags, "time-limit") == 1);
}

}  // namespace
}  // namespace ashlar::machine
