// The importers on arbitrary bytes: records that the reader takes back, or what is wrong.
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "harness/record/file.hpp"
#include "harness/record/fuzz_file.hpp"
#include "harness/record/import.hpp"

namespace {

using namespace ashlar::record;

template <class Import>
void import_with(Import import, const std::filesystem::path& path) {
  ImportOptions options;
  options.suite = "fuzz";
  try {
    const Imported imported = import(path, options);
    from_json(
        Json::parse(to_json(imported.run).dump(-1, ' ', false, Json::error_handler_t::replace)));
    for (const CaseRecord& one : imported.cases)
      from_json(
          Json::parse(to_json(Record(one)).dump(-1, ' ', false, Json::error_handler_t::replace)));
  } catch (const FileError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ashlar::fuzz::File file({reinterpret_cast<const char*>(data), size});
  import_with(import_google_benchmark, file.path());
  import_with(import_nvbench, file.path());
  return 0;
}
