#include "harness/machine/parse.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

namespace ashlar::machine {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

/// Parts between any of the separators, trimmed, empty ones left out.
std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(separators), text.size());
    if (const auto part = trimmed(text.substr(0, end)); !part.empty()) parts.push_back(part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

/// The whole text as a number, or nothing.
template <class Number>
std::optional<Number> number(std::string_view text) {
  text = trimmed(text);
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// "key<blanks>: value" -> (key, value).
std::pair<std::string_view, std::string_view> key_value(std::string_view line, char separator) {
  const auto at = line.find(separator);
  if (at == std::string_view::npos) return {};
  return {trimmed(line.substr(0, at)), trimmed(line.substr(at + 1))};
}

template <class T>
void set_once(std::optional<T>& field, std::optional<T> value) {
  if (!field) field = std::move(value);
}

}  // namespace

bool CpuInfo::has(std::string_view flag) const {
  return std::ranges::find(flags, flag) != flags.end();
}

CpuInfo parse_cpuinfo(std::string_view text) {
  CpuInfo info;
  std::set<int> sockets;
  std::set<std::pair<int, int>> cores;
  int socket = 0;
  for (const auto line : split(text, "\n")) {
    const auto [key, value] = key_value(line, ':');
    if (key == "processor") {
      ++info.logical;
      socket = 0;
    } else if (key == "vendor_id") {
      set_once(info.vendor, std::optional(std::string(value)));
    } else if (key == "model name") {
      set_once(info.model_name, std::optional(std::string(value)));
    } else if (key == "cpu family") {
      set_once(info.family, number<int>(value));
    } else if (key == "model") {
      set_once(info.model, number<int>(value));
    } else if (key == "stepping") {
      set_once(info.stepping, number<int>(value));
    } else if (key == "microcode") {
      set_once(info.microcode, std::optional(std::string(value)));
    } else if (key == "cpu MHz") {
      const auto mhz = number<double>(value);
      if (mhz) info.current_mhz = std::max(info.current_mhz.value_or(0), *mhz);
    } else if (key == "physical id") {
      socket = number<int>(value).value_or(0);
      sockets.insert(socket);
    } else if (key == "core id") {
      if (const auto core = number<int>(value)) cores.emplace(socket, *core);
    } else if (key == "flags" && info.flags.empty()) {
      for (const auto flag : split(value, " ")) info.flags.emplace_back(flag);
    }
  }
  if (!cores.empty()) info.cores = static_cast<int>(cores.size());
  if (!sockets.empty()) info.sockets = static_cast<int>(sockets.size());
  return info;
}

std::optional<CpuTimes> parse_proc_stat(std::string_view text) {
  const auto fields = split(text.substr(0, text.find('\n')), " ");
  if (fields.size() < 8 || fields[0] != "cpu") return std::nullopt;
  std::vector<std::uint64_t> ticks(9, 0);
  for (std::size_t i = 1; i < std::min<std::size_t>(fields.size(), 9); ++i) {
    const auto value = number<std::uint64_t>(fields[i]);
    if (!value) return std::nullopt;
    ticks[i] = *value;
  }
  // user nice system idle iowait irq softirq steal; guest time is part of user.
  return CpuTimes{ticks[1] + ticks[2] + ticks[3] + ticks[6] + ticks[7], ticks[4] + ticks[5],
                  ticks[8]};
}

std::optional<double> steal_share(const CpuTimes& before, const CpuTimes& after) {
  if (after.total() <= before.total() || after.steal < before.steal) return std::nullopt;
  return static_cast<double>(after.steal - before.steal) /
         static_cast<double>(after.total() - before.total());
}

std::vector<Cgroup> parse_cgroups(std::string_view text) {
  std::vector<Cgroup> groups;
  for (const auto line : split(text, "\n")) {
    const auto first = line.find(':');
    const auto second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const auto hierarchy = number<int>(line.substr(0, first));
    if (!hierarchy) continue;
    Cgroup group{*hierarchy, {}, std::string(line.substr(second + 1))};
    for (const auto controller : split(line.substr(first + 1, second - first - 1), ",")) {
      group.controllers.emplace_back(controller);
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

std::optional<CpuQuota> parse_cpu_max(std::string_view text) {
  const auto fields = split(text, " \n");
  if (fields.empty()) return std::nullopt;
  if (fields[0] == "max") return CpuQuota{};
  return parse_cfs_quota(fields[0], fields.size() > 1 ? fields[1] : "100000");
}

std::optional<CpuQuota> parse_cfs_quota(std::string_view quota_us, std::string_view period_us) {
  const auto quota = number<std::int64_t>(quota_us);
  const auto period = number<std::int64_t>(period_us);
  if (!quota || !period || *period <= 0) return std::nullopt;
  if (*quota < 0) return CpuQuota{};
  return CpuQuota{true, static_cast<double>(*quota) / static_cast<double>(*period)};
}

std::vector<int> parse_cpu_list(std::string_view text) {
  constexpr int kMostCpus = 1 << 16;
  std::vector<int> cpus;
  for (const auto range : split(text, ",\n")) {
    const auto dash = range.find('-');
    const auto first = number<int>(range.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : number<int>(range.substr(dash + 1));
    if (!first || !last || *first < 0 || *last < *first || *last >= kMostCpus) return {};
    for (int cpu = *first; cpu <= *last; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

std::string format_cpu_list(const std::vector<int>& cpus) {
  std::string text;
  for (std::size_t begin = 0; begin < cpus.size();) {
    std::size_t end = begin;
    while (end + 1 < cpus.size() && cpus[end + 1] == cpus[end] + 1) ++end;
    if (!text.empty()) text += ',';
    text += std::to_string(cpus[begin]);
    if (end > begin) text += '-' + std::to_string(cpus[end]);
    begin = end + 1;
  }
  return text;
}

std::optional<std::string> parse_choice(std::string_view text) {
  const auto open = text.find('[');
  const auto close = text.find(']');
  if (open == std::string_view::npos || close == std::string_view::npos || close <= open + 1) {
    return std::nullopt;
  }
  return std::string(text.substr(open + 1, close - open - 1));
}

std::optional<std::int64_t> parse_size(std::string_view text) {
  text = trimmed(text);
  if (text.empty()) return std::nullopt;
  constexpr std::string_view kUnits = "KMG";
  int shift = 0;
  if (const auto unit = kUnits.find(text.back()); unit != std::string_view::npos) {
    shift = 10 * (static_cast<int>(unit) + 1);
    text.remove_suffix(1);
  }
  const auto value = number<std::int64_t>(text);
  if (!value || *value < 0 || *value > (std::int64_t{1} << 50 >> shift)) return std::nullopt;
  return *value << shift;
}

std::map<std::string, std::int64_t, std::less<>> parse_meminfo(std::string_view text) {
  std::map<std::string, std::int64_t, std::less<>> sizes;
  for (const auto line : split(text, "\n")) {
    const auto [key, value] = key_value(line, ':');
    const auto fields = split(value, " ");
    // Lines without a unit are counts of pages, not sizes.
    if (key.empty() || fields.size() != 2 || fields[1] != "kB") continue;
    if (const auto kib = number<std::int64_t>(fields[0])) sizes.emplace(key, *kib * 1024);
  }
  return sizes;
}

std::optional<std::string> parse_os_release(std::string_view text) {
  for (const auto line : split(text, "\n")) {
    auto [key, value] = key_value(line, '=');
    if (key != "PRETTY_NAME") continue;
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'')) {
      value = value.substr(1, value.size() - 2);
    }
    return std::string(value);
  }
  return std::nullopt;
}

std::optional<std::vector<double>> parse_numbers(std::string_view text, std::size_t count) {
  std::vector<double> values;
  for (const auto field : split(text, kBlanks)) {
    if (values.size() == count) break;
    const auto value = number<double>(field);
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  if (values.size() < count) return std::nullopt;
  return values;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  return number<std::int64_t>(text);
}

}  // namespace ashlar::machine
