#include "harness/machine/parse.hpp"

#include <catch2/catch.hpp>

namespace ashlar::machine {
namespace {

const char* const kTwoSockets = R"(processor	: 0
vendor_id	: GenuineIntel
cpu family	: 6
model		: 143
model name	: Intel(R) Xeon(R) Platinum 8480+
stepping	: 8
microcode	: 0x2b000571
cpu MHz		: 2000.000
physical id	: 0
siblings	: 2
core id		: 0
flags		: fpu sse2 avx2 avx512f avx512_bf16

processor	: 1
vendor_id	: GenuineIntel
model name	: Intel(R) Xeon(R) Platinum 8480+
cpu MHz		: 3100.500
physical id	: 0
core id		: 0
flags		: fpu sse2

processor	: 2
physical id	: 1
core id		: 0

processor	: 3
physical id	: 1
core id		: 0
)";

TEST_CASE("cpuinfo counts sockets, cores and processors") {
  const CpuInfo info = parse_cpuinfo(kTwoSockets);
  CHECK(info.vendor == "GenuineIntel");
  CHECK(info.model_name == "Intel(R) Xeon(R) Platinum 8480+");
  CHECK(info.family == 6);
  CHECK(info.model == 143);
  CHECK(info.stepping == 8);
  CHECK(info.microcode == "0x2b000571");
  CHECK(info.current_mhz == 3100.5);
  CHECK(info.logical == 4);
  CHECK(info.cores == 2);
  CHECK(info.sockets == 2);
  CHECK(info.has("avx512_bf16"));
  CHECK_FALSE(info.has("avx512"));
}

TEST_CASE("cpuinfo without the usual fields says so") {
  const CpuInfo arm = parse_cpuinfo("processor\t: 0\nBogoMIPS\t: 50.00\n\nprocessor\t: 1\n");
  CHECK(arm.logical == 2);
  CHECK_FALSE(arm.vendor.has_value());
  CHECK_FALSE(arm.cores.has_value());
  CHECK_FALSE(arm.sockets.has_value());
  CHECK(arm.flags.empty());
  CHECK(parse_cpuinfo("").logical == 0);
  CHECK_FALSE(parse_cpuinfo("cpu family\t: six\n").family.has_value());
}

TEST_CASE("proc stat: busy, idle and stolen time") {
  const auto times = parse_proc_stat("cpu  100 5 20 1000 30 1 2 40 7 0\ncpu0 1 2 3 4\n");
  REQUIRE(times.has_value());
  CHECK(times->busy == 128);
  CHECK(times->idle == 1030);
  CHECK(times->steal == 40);
  CHECK(times->total() == 1198);
  const auto old = parse_proc_stat("cpu 100 5 20 1000 30 1 2\n");  // before steal was counted
  REQUIRE(old.has_value());
  CHECK(old->steal == 0);
  CHECK_FALSE(parse_proc_stat("").has_value());
  CHECK_FALSE(parse_proc_stat("cpu 1 2 3\n").has_value());
  CHECK_FALSE(parse_proc_stat("cpu a b c d e f g h\n").has_value());
}

TEST_CASE("share of stolen time") {
  CHECK(steal_share({100, 100, 0}, {150, 140, 10}) == 0.1);
  CHECK_FALSE(steal_share({1, 1, 1}, {1, 1, 1}).has_value());
  CHECK_FALSE(steal_share({100, 0, 5}, {200, 0, 4}).has_value());
}

TEST_CASE("cgroup lines of both versions") {
  const auto groups = parse_cgroups("4:memory:/a\n1:cpu,cpuacct:/b:c/d\n0::/e\nrubbish\n");
  REQUIRE(groups.size() == 3);
  CHECK(groups[1].hierarchy == 1);
  CHECK(groups[1].controllers == std::vector<std::string>{"cpu", "cpuacct"});
  CHECK(groups[1].path == "/b:c/d");
  CHECK(groups[2].hierarchy == 0);
  CHECK(groups[2].controllers.empty());
}

TEST_CASE("CPU quotas of both versions") {
  CHECK(parse_cpu_max("150000 100000\n")->cpus == 1.5);
  CHECK(parse_cpu_max("150000 100000\n")->limited);
  CHECK_FALSE(parse_cpu_max("max 100000\n")->limited);
  CHECK(parse_cpu_max("50000")->cpus == 0.5);
  CHECK_FALSE(parse_cpu_max("").has_value());
  CHECK_FALSE(parse_cpu_max("many few").has_value());
  CHECK(parse_cfs_quota("400000\n", "100000\n")->cpus == 4);
  CHECK_FALSE(parse_cfs_quota("-1\n", "100000\n")->limited);
  CHECK_FALSE(parse_cfs_quota("100000", "0").has_value());
}

TEST_CASE("lists of CPUs") {
  CHECK(parse_cpu_list("0-3,8\n") == std::vector<int>{0, 1, 2, 3, 8});
  CHECK(parse_cpu_list("5") == std::vector<int>{5});
  CHECK(parse_cpu_list("").empty());
  CHECK(parse_cpu_list("3-1").empty());
  CHECK(parse_cpu_list("0-999999999").empty());
  CHECK(parse_cpu_list("a-b").empty());
  CHECK(format_cpu_list({0, 1, 2, 3, 8}) == "0-3,8");
  CHECK(format_cpu_list({4}) == "4");
  CHECK(format_cpu_list({}).empty());
  CHECK(parse_cpu_list(format_cpu_list({1, 3, 4, 5, 9})) == std::vector<int>{1, 3, 4, 5, 9});
}

TEST_CASE("small things") {
  CHECK(parse_choice("always [madvise] never\n") == "madvise");
  CHECK_FALSE(parse_choice("always madvise").has_value());
  CHECK_FALSE(parse_choice("] [").has_value());
  CHECK(parse_size("32768K\n") == 33554432);
  CHECK(parse_size("1M") == 1048576);
  CHECK(parse_size("512") == 512);
  CHECK_FALSE(parse_size("K").has_value());
  CHECK_FALSE(parse_size("-1K").has_value());
  CHECK_FALSE(parse_size("9999999999999999G").has_value());
  const auto memory = parse_meminfo("MemTotal:  100 kB\nHugePages_Total: 3\nSwapTotal: 0 kB\n");
  CHECK(memory.at("MemTotal") == 102400);
  CHECK(memory.at("SwapTotal") == 0);
  CHECK_FALSE(memory.contains("HugePages_Total"));
  CHECK(parse_os_release("NAME=x\nPRETTY_NAME=\"Debian 12 = bookworm\"\n") ==
        "Debian 12 = bookworm");
  CHECK(parse_os_release("PRETTY_NAME=Plain\n") == "Plain");
  CHECK_FALSE(parse_os_release("NAME=x\n").has_value());
  CHECK(parse_numbers("0.25 1.5 2 1/98 6936\n", 3) == std::vector<double>{0.25, 1.5, 2});
  CHECK_FALSE(parse_numbers("0.25 x", 2).has_value());
  CHECK_FALSE(parse_numbers("", 1).has_value());
  CHECK(parse_integer(" 42\n") == 42);
  CHECK_FALSE(parse_integer("42 MB").has_value());
}

}  // namespace
}  // namespace ashlar::machine
