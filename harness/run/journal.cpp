#include "harness/run/journal.hpp"

#include <utility>

#include "harness/measure/clock.hpp"
#include "harness/model/time.hpp"

namespace ashlar::run {

Journal::Journal(record::Writer& writer, std::string run_id)
    : writer_(writer), run_id_(std::move(run_id)) {}

void Journal::append(const record::Record& record, Sync sync) {
  const std::int64_t start = measure::system_clock().now_ns();
  if (const auto resumed = std::exchange(resumed_, std::nullopt))
    writer_.append(record::EventRecord{run_id_, "resumed", model::utc_now(), *resumed});
  writer_.append(record, sync);
  touched_ = true;
  seconds_ += static_cast<double>(measure::system_clock().now_ns() - start) * 1e-9;
}

void Journal::event(const std::string& name, Json details) {
  append(record::EventRecord{run_id_, name, model::utc_now(), std::move(details)});
}

}  // namespace ashlar::run
