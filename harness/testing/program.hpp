#pragma once
// Running an executable from a test and looking at everything it leaves behind.
#include <filesystem>
#include <string>
#include <vector>

namespace ashlar::testing {

struct Ended {
  int status = -1;     // exit status; 128 + signal when it was killed
  std::string output;  // standard output
  std::string errors;  // standard error
};

/// A folder for one test, removed at the end.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Runs `program` with the words in `folder`. `interrupt_after_ms` > 0: sends SIGINT then.
/// `environment` entries are NAME=value.
Ended run_program(const std::string& program, const std::vector<std::string>& words,
                  const std::filesystem::path& folder, int interrupt_after_ms = 0,
                  const std::vector<std::string>& environment = {});

std::string read_text(const std::filesystem::path& path);
void write_text(const std::filesystem::path& path, const std::string& text);

}  // namespace ashlar::testing
