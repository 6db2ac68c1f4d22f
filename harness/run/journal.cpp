#include "harness/run/journal.hpp"

#include <ctime>
#include <utility>

#include "harness/measure/clock.hpp"

namespace ashlar::run {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

Journal::Journal(record::Writer& writer, std::string run_id)
    : writer_(writer), run_id_(std::move(run_id)) {}

void Journal::append(const record::Record& record, Sync sync) {
  const std::int64_t start = measure::system_clock().now_ns();
  if (const auto resumed = std::exchange(resumed_, std::nullopt))
    writer_.append(record::EventRecord{run_id_, "resumed", utc_now(), *resumed});
  writer_.append(record, sync);
  touched_ = true;
  seconds_ += static_cast<double>(measure::system_clock().now_ns() - start) * 1e-9;
}

void Journal::event(const std::string& name, Json details) {
  append(record::EventRecord{run_id_, name, utc_now(), std::move(details)});
}

}  // namespace ashlar::run
