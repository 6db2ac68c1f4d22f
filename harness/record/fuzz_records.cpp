// The record reader on arbitrary bytes: it reads them or says what is wrong, and its fast path
// never disagrees with the definition of a record.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "harness/record/fast_case.hpp"
#include "harness/record/file.hpp"
#include "harness/record/fuzz_file.hpp"

namespace {

using namespace ashlar::record;

std::string by_definition(std::string_view line) {
  try {
    const Json json = Json::parse(line, nullptr, false);
    return json.is_discarded() ? "" : to_json(from_json(json)).dump();
  } catch (const std::invalid_argument&) {
    return "";
  }
}

void compare(std::string_view line) {
  static detail::FastCaseReader reader;
  std::string padded(line);
  padded.append(detail::FastCaseReader::kPadding, '"');
  const auto record = reader.read(std::string_view(padded).substr(0, line.size()));
  if (!record || to_json(Record(*record)).dump() == by_definition(line)) return;
  fmt::print(stderr, "the fast reader took what from_json does not: {}\n", line);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    compare(text.substr(begin, end - begin));
    begin = end + 1;
  }
  const ashlar::fuzz::File file(text);
  try {
    const RecordSet set = load({file.path()});
    for (const CaseRecord& one : set.cases) by_definition(to_json(Record(one)).dump());
  } catch (const FileError&) {
  }
  return 0;
}
