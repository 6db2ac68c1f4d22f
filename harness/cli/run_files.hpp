#pragma once
// The two places a run touches on disk: its record file and a scratch folder that goes with the
// process.
#include <filesystem>
#include <string>

namespace ashlar::cli {

/// A fresh folder below $TMPDIR (or /tmp), removed with everything in it at the end. While its
/// owner lives a file in it is locked; folders that killed runs left behind are removed first.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

/// Names a run: UTC time, then random digits, so that names sort by time.
std::string new_run_id();

}  // namespace ashlar::cli
