// From the records of one implementation at one point to the numbers of one cell.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/report/estimates.hpp"
#include "harness/report/text.hpp"
#include "harness/report/view_parts.hpp"

namespace ashlar::report {

using record::CaseRecord;
using record::Status;
using record::StudyRecord;

namespace {

/// What one failing round or seed of several says.
template <class Record>
std::string reason_of(const std::vector<const Record*>& records, Status status, const char* unit) {
  std::size_t with_status = 0;
  std::string reason;
  for (const Record* record : records) {
    if (record->status != status) continue;
    ++with_status;
    if (reason.empty() && record->reason) reason = *record->reason;
  }
  if (reason.empty()) reason = "no reason was recorded";
  if (with_status < records.size())
    reason += fmt::format(" ({} of {})", with_status, count_of(records.size(), unit));
  return reason;
}

template <class Record>
Status worst(const std::vector<const Record*>& records) {
  Status status = Status::dropped;
  for (const Record* record : records) {
    if (severity(record->status) > severity(status)) status = record->status;
  }
  return status;
}

void take_largest(std::optional<double>& into, const std::optional<std::int64_t>& value) {
  if (value) into = std::max(into.value_or(0), static_cast<double>(*value));
}

void add_bandwidth(Cell& cell, const Roof& roof) {
  const CaseRecord& first = *cell.records.front();
  if (!cell.time_ns || !first.work || first.work->bytes <= 0 || cell.time_ns->value <= 0) return;
  cell.bytes_per_s = first.work->bytes / (cell.time_ns->value * 1e-9);
  if (const auto copy = roof.bandwidth(cell.device, first.threads))
    cell.share_of_copy = *cell.bytes_per_s / *copy;
  if (const auto reads = roof.read_bandwidth(cell.device, first.threads))
    cell.share_of_reads = *cell.bytes_per_s / *reads;
}

void add_rate(Cell& cell, const Roof& roof) {
  const CaseRecord& first = *cell.records.front();
  if (!cell.time_ns || !first.work || first.work->flops <= 0 || cell.time_ns->value <= 0) return;
  cell.flops_per_s = first.work->flops / (cell.time_ns->value * 1e-9);
  if (const auto peak = roof.peak(cell.device, first.work->precision, first.threads))
    cell.share_of_peak = *cell.flops_per_s / *peak;
}

}  // namespace

const Ratio* Cell::over(const std::string& baseline) const {
  const auto found = std::find_if(speedups.begin(), speedups.end(),
                                  [&](const Ratio& ratio) { return ratio.baseline == baseline; });
  return found == speedups.end() ? nullptr : &*found;
}

Cell make_cell(std::vector<const CaseRecord*> records, const Roof& roof) {
  Cell cell;
  std::stable_sort(records.begin(), records.end(),
                   [](const auto* a, const auto* b) { return a->round < b->round; });
  cell.records = std::move(records);
  const CaseRecord& first = *cell.records.front();
  cell.implementation = first.implementation;
  cell.tier = first.tier;
  cell.device = first.device;
  cell.case_id = first.case_id;
  cell.key = first.key;
  cell.status = worst(cell.records);
  if (cell.status != Status::ok) cell.reason = reason_of(cell.records, cell.status, "round");
  std::vector<double> prepare;
  for (const CaseRecord* record : cell.records) {
    if (record->status == Status::ok && !record->samples_ns.empty()) ++cell.rounds;
    for (const std::string& flag : record->flags) ++cell.flags[flag];
    take_largest(cell.peak_extra_bytes, record->peak_extra_bytes);
    take_largest(cell.workspace_bytes, record->workspace_bytes);
    if (record->prepare_ns) prepare.push_back(static_cast<double>(*record->prepare_ns));
  }
  if (!prepare.empty()) cell.prepare_ns = statistics::median(prepare);
  const std::vector<double> samples = pooled_samples(cell.records);
  cell.samples = samples.size();
  // A wrong answer has no time worth showing, whatever its other rounds measured.
  if (samples.empty() || cell.status == Status::wrong) return cell;
  cell.time_ns = median_time(cell.records);
  cell.min_ns = *std::min_element(samples.begin(), samples.end());
  cell.mdape = statistics::mdape(samples);
  add_rate(cell, roof);
  add_bandwidth(cell, roof);
  return cell;
}

const Cell* Row::find(const std::string& implementation) const {
  const auto found = std::find_if(cells.begin(), cells.end(), [&](const Cell& cell) {
    return cell.implementation == implementation;
  });
  return found == cells.end() ? nullptr : &*found;
}

void add_speedups(Row& row, const std::vector<std::string>& baselines) {
  for (const std::string& baseline : baselines) {
    const Cell* over = row.find(baseline);
    if (over == nullptr || !over->ok()) continue;
    for (Cell& cell : row.cells) {
      if (cell.ok() && cell.implementation != baseline)
        cell.speedups.push_back({baseline, paired_speedup(over->records, cell.records)});
    }
  }
}

StudyCell make_study_cell(std::vector<const StudyRecord*> records) {
  StudyCell cell;
  std::stable_sort(records.begin(), records.end(),
                   [](const auto* a, const auto* b) { return a->seed < b->seed; });
  cell.records = std::move(records);
  cell.implementation = cell.records.front()->implementation;
  cell.case_id = cell.records.front()->case_id;
  cell.key = cell.records.front()->key;
  cell.status = worst(cell.records);
  if (cell.status != Status::ok) cell.reason = reason_of(cell.records, cell.status, "seed");
  std::map<std::string, std::vector<double>> values;
  for (const StudyRecord* record : cell.records) {
    if (record->status != Status::ok) continue;
    ++cell.seeds;
    for (const auto& [name, value] : record->metrics) values[name].push_back(value);
  }
  for (const auto& [name, list] : values) {
    Measured measured;
    measured.value = statistics::median(list);
    if (!std::isnan(measured.value) && list.size() > 1) {
      measured.low = *std::min_element(list.begin(), list.end());
      measured.high = *std::max_element(list.begin(), list.end());
    }
    cell.metrics[name] = measured;
  }
  return cell;
}

const StudyCell* StudyRow::find(const std::string& implementation) const {
  const auto found = std::find_if(cells.begin(), cells.end(), [&](const StudyCell& cell) {
    return cell.implementation == implementation;
  });
  return found == cells.end() ? nullptr : &*found;
}

}  // namespace ashlar::report
