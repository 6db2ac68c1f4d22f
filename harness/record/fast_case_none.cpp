// Without simdjson every line is read by from_json.
#include "harness/record/fast_case.hpp"

namespace ashlar::record::detail {

struct FastCaseReader::State {};

FastCaseReader::FastCaseReader() = default;
FastCaseReader::~FastCaseReader() = default;

std::optional<CaseRecord> FastCaseReader::read(std::string_view) { return std::nullopt; }

}  // namespace ashlar::record::detail
