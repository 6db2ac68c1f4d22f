#pragma once
// What the exports share; not for other folders.
#include <vector>

#include "harness/report/view.hpp"

namespace ashlar::report {

/// The views of all runs. Throws NothingToShow where nothing is left to export.
std::vector<RunView> exported(const record::RecordSet& records, const Filter& filter);
/// The one run. Throws std::invalid_argument, naming the format and the runs, where there are more.
RunView exported_run(const record::RecordSet& records, const Filter& filter, const char* format);

}  // namespace ashlar::report
