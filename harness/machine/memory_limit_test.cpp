#include "harness/machine/memory_limit.hpp"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include <catch2/catch.hpp>

namespace ashlar::machine {
namespace {

namespace fs = std::filesystem;

/// A folder that stands for the root of a machine with 8 GiB available.
struct Root {
  Root() {
    std::string name = (fs::temp_directory_path() / "ashlar-memory-test-XXXXXX").string();
    path = mkdtemp(name.data());
    file("proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n");
  }
  ~Root() { fs::remove_all(path); }
  void file(const std::string& name, const std::string& text) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name) << text;
  }
  std::optional<std::int64_t> usable() const { return usable_memory_bytes(System(path)); }
  fs::path path;
};

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

TEST_CASE("without a cgroup's limit the machine's available memory counts") {
  const Root root;
  CHECK(root.usable() == 8 * kGiB);
  root.file("proc/self/cgroup", "0::/\n");
  CHECK(root.usable() == 8 * kGiB);
  root.file("proc/self/cgroup", "0::/user\n");
  root.file("sys/fs/cgroup/user/memory.max", "max\n");
  CHECK(root.usable() == 8 * kGiB);
  root.file("proc/meminfo", "");
  CHECK_FALSE(root.usable());
}

TEST_CASE("version 2: the tightest limit on the way up, less what is used, caches apart") {
  const Root root;
  root.file("proc/self/cgroup", "0::/slice/job\n");
  root.file("sys/fs/cgroup/slice/memory.max", "4294967296\n");
  root.file("sys/fs/cgroup/slice/memory.current", "1073741824\n");
  CHECK(root.usable() == 3 * kGiB);
  root.file("sys/fs/cgroup/slice/job/memory.max", "2147483648\n");
  root.file("sys/fs/cgroup/slice/job/memory.current", "1610612736\n");
  root.file("sys/fs/cgroup/slice/job/memory.stat", "anon 1\ninactive_file 536870912\n");
  CHECK(root.usable() == kGiB);
}

TEST_CASE("version 1: the memory controller's folder, where no limit is a huge number") {
  const Root root;
  root.file("proc/self/cgroup", "4:memory:/docker/abc\n1:cpu:/\n");
  root.file("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK(root.usable() == 8 * kGiB);
  root.file("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "1073741824\n");
  root.file("sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "536870912\n");
  CHECK(root.usable() == kGiB / 2);
  // Inside a container the mount shows the container's own folder at its root.
  root.file("proc/self/cgroup", "4:memory:/not/visible/here\n");
  root.file("sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n");
  root.file("sys/fs/cgroup/memory/memory.usage_in_bytes", "0\n");
  CHECK(root.usable() == 2 * kGiB);
}

}  // namespace
}  // namespace ashlar::machine
