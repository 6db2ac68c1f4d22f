#pragma once
// Bytes as a file, for fuzz targets: nothing on disk.
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include <sys/mman.h>
#include <unistd.h>

#include <fmt/format.h>

namespace ashlar::fuzz {

class File {
 public:
  explicit File(std::string_view bytes) : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (::write(descriptor_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
      std::abort();
  }
  ~File() { ::close(descriptor_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  std::filesystem::path path() const { return fmt::format("/proc/self/fd/{}", descriptor_); }

 private:
  int descriptor_;
};

}  // namespace ashlar::fuzz
