#include "harness/machine/environment.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

namespace ashlar::machine {
namespace {

/// A folder that stands for the root of a machine.
class FakeRoot {
 public:
  FakeRoot()
      : root_(std::filesystem::temp_directory_path() /
              ("ashlar_machine_test_" + std::to_string(getpid()))) {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~FakeRoot() { std::filesystem::remove_all(root_); }
  FakeRoot(const FakeRoot&) = delete;
  FakeRoot& operator=(const FakeRoot&) = delete;

  void file(const std::string& path, const std::string& text) const {
    const auto target = root_ / path;
    std::filesystem::create_directories(target.parent_path());
    std::ofstream(target) << text;
  }
  System system() const { return System(root_); }

 private:
  std::filesystem::path root_;
};

/// Every path of an object, objects inside objects too.
void collect(const Json& json, const std::string& prefix, std::vector<std::string>& out) {
  for (const auto& [name, value] : json.items()) {
    out.push_back(prefix + name);
    const bool open = name == "variables" || name == "gpu";  // their contents differ by nature
    if (value.is_object() && !open) collect(value, prefix + name + '.', out);
  }
}

std::vector<std::string> fields(const Json& json) {
  std::vector<std::string> names;
  collect(json, "", names);
  return names;
}

void add_cache(const FakeRoot& root, int cpu, int index, const std::string& level,
               const std::string& type, const std::string& size, const std::string& shared) {
  const std::string folder = "sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cache/index" +
                             std::to_string(index) + '/';
  root.file(folder + "level", level + '\n');
  root.file(folder + "type", type + '\n');
  root.file(folder + "size", size + '\n');
  root.file(folder + "coherency_line_size", "64\n");
  root.file(folder + "shared_cpu_list", shared + '\n');
}

TEST_CASE("no field is ever left out, and what is unknown is null") {
  const FakeRoot nothing;
  const Json empty = capture_environment(nullptr, nothing.system());
  const Json live = capture_environment();
  CHECK(fields(empty) == fields(live));
  for (const std::string& name : fields(empty)) {
    std::string pointer = '/' + name;
    for (char& letter : pointer) letter = letter == '.' ? '/' : letter;
    const Json& value = empty.at(Json::json_pointer(pointer));
    INFO(name);
    CHECK((value.is_null() || value.is_object()));
  }
}

TEST_CASE("this machine is described") {
  const Json live = capture_environment({{"name", "Test GPU"}});
  CHECK(live["cpu"]["logical"].get<int>() >= 1);
  CHECK(live["affinity"]["count"].get<int>() >= 1);
  CHECK(live["memory"]["total_bytes"].get<std::int64_t>() > 0);
  CHECK(live["kernel"].get<std::string>().starts_with("Linux"));
  CHECK(live["timer"]["resolution_ns"].get<std::int64_t>() >= 1);
  CHECK(live["libraries"]["glibc"].is_string());
  CHECK(live["gpu"]["name"] == "Test GPU");
  CHECK(live["host_hash"].get<std::string>().size() == 16);
  CHECK(capture_environment()["host_hash"] == live["host_hash"]);
}

TEST_CASE("only variables on the list are recorded, and no paths") {
  setenv("ASHLAR_TEST_VARIABLE", "yes", 1);
  setenv("CUDA_TEST_FOLDER", "/srv/somebody/cuda", 1);
  setenv("SECRET_TEST_TOKEN", "hunter2", 1);
  const Json variables = capture_environment()["variables"];
  CHECK(variables["ASHLAR_TEST_VARIABLE"] == "yes");
  CHECK(variables["CUDA_TEST_FOLDER"] == "<path>");
  CHECK_FALSE(variables.contains("SECRET_TEST_TOKEN"));
  unsetenv("ASHLAR_TEST_VARIABLE");
  unsetenv("CUDA_TEST_FOLDER");
  unsetenv("SECRET_TEST_TOKEN");
}

TEST_CASE("a bare-metal machine with everything in sysfs") {
  const FakeRoot root;
  root.file("proc/cpuinfo",
            "processor : 0\nvendor_id : AuthenticAMD\ncpu family : 25\nmodel : 17\n"
            "model name : AMD EPYC 9654 96-Core Processor\nphysical id : 0\ncore id : 0\n"
            "flags : avx2 avx512f avx512_bf16\n\nprocessor : 1\nphysical id : 0\ncore id : 0\n");
  const std::string cpu = "sys/devices/system/cpu/";
  root.file(cpu + "cpu0/cpufreq/scaling_governor", "performance\n");
  root.file(cpu + "cpu0/cpufreq/cpuinfo_min_freq", "1500000\n");
  root.file(cpu + "cpu0/cpufreq/cpuinfo_max_freq", "3707812\n");
  root.file(cpu + "cpufreq/boost", "1\n");
  root.file(cpu + "smt/active", "1\n");
  for (int i = 0; i < 4; ++i) {
    const std::string pair = i < 2 ? "0-1" : "2-3";
    add_cache(root, i, 0, "1", "Data", "32K", pair);
    add_cache(root, i, 3, "3", "Unified", "32768K", pair);
  }
  root.file("sys/devices/system/node/online", "0-1\n");
  root.file("sys/devices/system/node/node0/cpulist", "0-1\n");
  root.file("sys/devices/system/node/node1/cpulist", "2-3\n");
  root.file("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
  root.file("proc/sys/vm/nr_hugepages", "0\n");
  root.file("proc/sys/kernel/randomize_va_space", "2\n");
  root.file("proc/sys/kernel/hostname", "somehost\n");
  root.file("etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");

  const Json found = capture_environment(nullptr, root.system());
  CHECK(found["cpu"]["governor"] == "performance");
  CHECK(found["cpu"]["boost"] == true);
  CHECK(found["cpu"]["min_mhz"] == 1500.0);
  CHECK(found["cpu"]["max_mhz"].get<double>() == Approx(3707.812));
  CHECK(found["cpu"]["smt"] == true);
  CHECK(found["cpu"]["cores"] == 1);
  CHECK(found["cpu"]["features"] == Json({"avx2", "avx512f", "avx512_bf16"}));
  CHECK(found["caches"]["source"] == "sysfs");
  CHECK(found["caches"]["last_level_bytes"] == 2 * 33554432);
  CHECK(found["caches"]["all"][1]["instances"] == 2);
  CHECK(found["caches"]["all"][1]["shared_by"] == 2);
  CHECK(found["numa"]["nodes"] == 2);
  CHECK(found["numa"]["cpus"][1] == "2-3");
  CHECK(found["hypervisor"]["present"] == false);
  CHECK(found["huge_pages"]["transparent"] == "always");
  CHECK(found["huge_pages"]["reserved"] == 0);
  CHECK(found["aslr"]["kernel"] == 2);
  CHECK(found["distribution"] == "Debian GNU/Linux 12 (bookworm)");
  CHECK(found["host_hash"].get<std::string>().find("somehost") == std::string::npos);
  CHECK(machine_id(found) == "amd-epyc-9654-zen4-1c");
}

TEST_CASE("the quota that holds is the smallest on the way up") {
  const FakeRoot v2;
  v2.file("proc/self/cgroup", "0::/slice/job\n");
  v2.file("sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
  CHECK(capture_environment(nullptr, v2.system())["cgroup"]["cpu_quota"] == "unlimited");
  v2.file("sys/fs/cgroup/slice/cpu.max", "200000 100000\n");
  v2.file("sys/fs/cgroup/slice/job/cpu.max", "max 100000\n");
  const Json limited = capture_environment(nullptr, v2.system())["cgroup"];
  CHECK(limited["version"] == 2);
  CHECK(limited["cpu_quota"] == 2.0);

  const FakeRoot v1;
  v1.file("proc/self/cgroup", "1:cpu,cpuacct:/job\n0::/\n");
  v1.file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  v1.file("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  CHECK(capture_environment(nullptr, v1.system())["cgroup"]["cpu_quota"] == "unlimited");
  v1.file("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "50000\n");
  v1.file("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  const Json half = capture_environment(nullptr, v1.system())["cgroup"];
  CHECK(half["version"] == 1);
  CHECK(half["cpu_quota"] == 0.5);
}

TEST_CASE("activity between two moments") {
  const FakeRoot root;
  root.file("proc/stat", "cpu 100 0 0 100 0 0 0 0 0 0\n");
  root.file("sys/fs/cgroup/cpu.stat", "nr_periods 10\nnr_throttled 3\nthrottled_usec 5\n");
  const Json before = capture_activity(root.system());
  root.file("proc/stat", "cpu 150 0 0 140 0 0 0 10 0 0\n");
  root.file("sys/fs/cgroup/cpu.stat", "nr_periods 20\nnr_throttled 7\n");
  const Json after = capture_activity(root.system());
  const Json between = activity_between(before, after);
  CHECK(between["steal_share"] == 0.1);
  CHECK(between["busy_share"] == 0.5);
  CHECK(between["throttled_periods"] == 4);
  const Json unknown = activity_between(Json::object(), after);
  CHECK(unknown["steal_share"].is_null());
  CHECK(unknown["busy_share"].is_null());
  CHECK(unknown["throttled_periods"].is_null());
}

}  // namespace
}  // namespace ashlar::machine
