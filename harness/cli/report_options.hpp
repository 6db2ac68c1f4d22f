#pragma once
// What the verbs that read records share.
#include <functional>

#include "harness/cli/options.hpp"
#include "harness/report/text.hpp"
#include "harness/report/view.hpp"

namespace ashlar::cli {

/// --format; throws UsageError with the nearest known name.
report::Format format_from(const std::string& name);

/// --suite, --experiment, --where, --only, --skip.
void add_report_filter(Options& options);
report::Filter report_filter(const Options& options);

/// Loads the records that the words name; warnings go to standard error.
record::RecordSet load_records(const std::vector<std::string>& words);

/// --out, when given.
std::optional<std::string> output_path(const Options& options);

/// Writes what `make` returns to --out or the terminal. That there is nothing to show, or that the
/// words fit the records badly, becomes a UsageError.
void write_report(const Options& options, const std::function<std::string()>& make);

}  // namespace ashlar::cli
