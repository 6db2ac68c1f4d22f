#include "harness/machine/text.hpp"

#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "harness/machine/environment.hpp"

namespace ashlar::machine {
namespace {

constexpr const char* kUnknown = "unknown";

/// The value at a JSON pointer, or null.
Json at(const Json& json, const char* pointer) {
  const Json::json_pointer where(pointer);
  return json.contains(where) ? json.at(where) : Json();
}

std::string plain(const Json& value) {
  if (value.is_null()) return kUnknown;
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_float()) return fmt::format("{:.6g}", value.get<double>());
  return value.dump();
}

std::string size_text(const Json& bytes) {
  if (!bytes.is_number()) return kUnknown;
  const auto value = bytes.get<double>();
  constexpr double kKiB = 1024;
  if (value >= kKiB * kKiB * kKiB) return fmt::format("{:.4g} GiB", value / (kKiB * kKiB * kKiB));
  if (value >= kKiB * kKiB) return fmt::format("{:.4g} MiB", value / (kKiB * kKiB));
  return fmt::format("{:.4g} KiB", value / kKiB);
}

class Lines {
 public:
  void add(std::string_view name, const std::string& value) {
    text_ += fmt::format("{:<14} {}\n", name, value);
  }
  std::string text_;
};

std::string cpu_text(const Json& environment) {
  const auto part = [&](const char* pointer) { return plain(at(environment, pointer)); };
  return fmt::format("{} ({}), {} sockets, {} cores, {} logical, SMT {}", part("/cpu/model_name"),
                     part("/cpu/microarchitecture"), part("/cpu/sockets"), part("/cpu/cores"),
                     part("/cpu/logical"), part("/cpu/smt"));
}

std::string clock_text(const Json& environment) {
  const auto part = [&](const char* pointer) { return plain(at(environment, pointer)); };
  return fmt::format("now {} MHz, range {} to {} MHz, governor {}, boost {}",
                     part("/cpu/current_mhz"), part("/cpu/min_mhz"), part("/cpu/max_mhz"),
                     part("/cpu/governor"), part("/cpu/boost"));
}

std::string caches_text(const Json& environment) {
  const Json all = at(environment, "/caches/all");
  if (!all.is_array()) return kUnknown;
  std::vector<std::string> parts;
  for (const Json& cache : all) {
    std::string part = fmt::format("L{} {} {}", plain(at(cache, "/level")),
                                   plain(at(cache, "/type")), size_text(at(cache, "/bytes")));
    const Json instances = at(cache, "/instances");
    if (instances.is_number()) part += fmt::format(" x{}", plain(instances));
    parts.push_back(std::move(part));
  }
  return fmt::format("{} (from {})", fmt::join(parts, ", "),
                     plain(at(environment, "/caches/source")));
}

std::string limits_text(const Json& environment) {
  const auto part = [&](const char* pointer) { return plain(at(environment, pointer)); };
  return fmt::format("CPUs {} usable ({}), cgroup quota {}, NUMA nodes {}", part("/affinity/count"),
                     part("/affinity/cpus"), part("/cgroup/cpu_quota"), part("/numa/nodes"));
}

std::string virtual_text(const Json& environment) {
  const Json present = at(environment, "/hypervisor/present");
  if (!present.is_boolean()) return kUnknown;
  if (!present.get<bool>()) return "none";
  return plain(at(environment, "/hypervisor/vendor"));
}

std::string load_text(const Json& environment) {
  const Json load = at(environment, "/load");
  if (!load.is_array()) return kUnknown;
  std::vector<std::string> parts;
  for (const Json& value : load) parts.push_back(plain(value));
  return fmt::format("{}", fmt::join(parts, " "));
}

std::string gpu_text(const Json& environment) {
  const Json gpu = at(environment, "/gpu");
  if (gpu.is_null()) return "none";
  if (gpu.is_array() && !gpu.empty()) {
    return fmt::format("{} x {}", gpu.size(), plain(at(gpu[0], "/name")));
  }
  return plain(at(gpu, "/name"));
}

std::string git_text(const Json& build) {
  const Json sha = at(build, "/git/sha");
  const Json dirty = at(build, "/git/dirty");
  const bool changed = dirty.is_boolean() && dirty.get<bool>();
  return plain(sha) + (changed ? " with local changes" : "");
}

std::string rate_cell(const std::optional<Rate>& rate) {
  if (!rate) return "-";
  return fmt::format("{:.1f}", rate->rate) + (rate->disturbed() ? "*" : "");
}

std::string calibration_text(const Calibration& calibration) {
  std::string text = fmt::format(
      "\nMeasured in {:.2f} s: f32 by {}, bf16 by {}, copies of {} ({})\n", calibration.seconds,
      calibration.f32_isa, calibration.bf16_isa.value_or("nothing here"),
      size_text(calibration.copy_buffer_bytes), calibration.copy_method);
  text += fmt::format("{:>8} {:>13} {:>14} {:>14} {:>10} {:>10}\n", "threads", "f32 GFLOP/s",
                      "bf16 GFLOP/s", "sgemm GFLOP/s", "copy GB/s", "read GB/s");
  for (const TeamRates& team : calibration.teams) {
    text += fmt::format("{:>8} {:>13} {:>14} {:>14} {:>10} {:>10}\n", team.threads,
                        rate_cell(team.f32_gflops), rate_cell(team.bf16_gflops),
                        rate_cell(team.sgemm_gflops), rate_cell(team.copy_gb_per_s),
                        rate_cell(team.read_gb_per_s));
  }
  text += fmt::format("Timer: steps of {:.0f} ns, {:.0f} ns to read; CPU time {:.0f} ns to read\n",
                      calibration.timer_resolution_ns, calibration.timer_cost_ns,
                      calibration.cpu_timer_cost_ns);
  for (const std::string& flag : calibration.flags) {
    text += fmt::format("Note: {}\n", describe_flag(flag));
  }
  return text;
}

}  // namespace

std::string describe_flag(const std::string& flag) {
  const auto split = flag.find('@');
  const std::string_view code = std::string_view(flag).substr(0, split);
  const std::string threads = split == std::string::npos ? "" : flag.substr(split + 1);
  const std::string team = threads == "1" ? "1 thread" : threads + " threads";
  constexpr std::string_view kDisturbed = "-disturbed";
  if (code.ends_with(kDisturbed)) {
    return fmt::format("{} on {}: even the best burst lost over 10 % of its time to others (*)",
                       code.substr(0, code.size() - kDisturbed.size()), team);
  }
  if (code == "sgemm-above-peak") {
    return fmt::format("on {} oneDNN's product beats the measured peak: the peak is too low", team);
  }
  if (code == "sgemm-below-peak") {
    return fmt::format(
        "on {} oneDNN's product stays below 80 % of the measured peak: one of them is not to be "
        "trusted",
        team);
  }
  if (code == "time-limit") return "the calibration ran out of time; some rates rest on one burst";
  return flag;
}

std::string describe(const Json& environment, const Json& build, const Calibration* calibration) {
  Lines lines;
  lines.add("machine", machine_id(environment));
  lines.add("cpu", cpu_text(environment));
  lines.add("clock", clock_text(environment));
  lines.add("caches", caches_text(environment));
  lines.add("memory",
            fmt::format("{}, {} available", size_text(at(environment, "/memory/total_bytes")),
                        size_text(at(environment, "/memory/available_bytes"))));
  lines.add("limits", limits_text(environment));
  lines.add("system", fmt::format("{}, {}", plain(at(environment, "/distribution")),
                                  plain(at(environment, "/kernel"))));
  lines.add("hypervisor", virtual_text(environment));
  lines.add("load", load_text(environment));
  lines.add("gpu", gpu_text(environment));
  lines.add("build",
            fmt::format("{} {}, {}, base {}, best here {}", plain(at(build, "/compiler/id")),
                        plain(at(build, "/compiler/version")), plain(at(build, "/type")),
                        plain(at(build, "/isa/base")), plain(at(build, "/isa/best_here"))));
  lines.add("git", git_text(build));
  lines.add("oneDNN", plain(at(environment, "/libraries/onednn")));
  if (calibration != nullptr) lines.text_ += calibration_text(*calibration);
  return lines.text_;
}

std::string describe(const Drift& drift) {
  std::string text;
  for (const Change& change : drift.changes) {
    if (!change.drifted) continue;
    text += fmt::format("{} on {} threads drifted by {:+.1f} % ({:.1f} to {:.1f})\n", change.rate,
                        change.threads, 100 * change.relative, change.start, change.end);
  }
  return text;
}

}  // namespace ashlar::machine
