#include "harness/gate/instructions.hpp"

#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/model/suite.hpp"
#include "harness/run/requests.hpp"
#include "harness/run/supervisor.hpp"

namespace ashlar::gate {

namespace {

namespace fs = std::filesystem;
using model::Json;

constexpr double kMostFlops = 2e8;  // some ten seconds under callgrind for scalar code
constexpr const char* kDumps = "callgrind";

bool installed(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/bin:/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (access((fs::path(folder) / program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

/// The worker's environment has only what is named here: variables lie on the stack, and where the
/// stack begins decides about alignment.
std::vector<std::string> command_for(const std::string& program, const fs::path& scratch) {
  const char* path = std::getenv("PATH");
  std::vector<std::string> command = {"env", "-i",
                                      fmt::format("PATH={}", path == nullptr ? "" : path)};
  for (const auto& [name, value] : run::worker_environment(1))
    command.push_back(fmt::format("{}={}", name, value));
  for (const char* name : {"ASHLAR_ISA", "LD_LIBRARY_PATH"}) {
    if (const char* value = std::getenv(name); value != nullptr)
      command.push_back(fmt::format("{}={}", name, value));
  }
  for (const char* word : {"valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no"})
    command.emplace_back(word);
  command.push_back(fmt::format("--callgrind-out-file={}", (scratch / kDumps).string() + ".%p"));
  command.push_back(program);
  command.emplace_back("worker");
  return command;
}

/// Why an implementation is not counted, whatever the program.
std::string left_out(const run::PlannedPoint& planned, const model::Implementation& wanted) {
  if (wanted.external()) return "another program";
  if (wanted.options.device != model::Device::cpu) return "not on the CPU";
  if (planned.experiment->kind != model::Kind::timed) return "a study";
  if (planned.experiment->work && planned.experiment->work(planned.point).flops > kMostFlops)
    return fmt::format("more than {:.0f} MFLOP take too long to count", kMostFlops / 1e6);
  return "";
}

/// A worker under callgrind that holds the point.
class Counter {
 public:
  Counter(const std::string& program, const run::PlannedPoint& planned, const run::Plan& plan,
          const fs::path& scratch)
      : scratch_(scratch), process_(command_for(program, scratch), {}, scratch) {
    id_ = process_.id();
    ask(run::hello_request());
    unsupported_ = ask(run::open_request(plan, planned)).at("unsupported");
  }

  bool alive() const { return process_.alive(); }

  Instructions count(const std::string& implementation) {
    if (const Json& why = unsupported_.at(implementation); !why.is_null())
      return {{}, "", why.get<std::string>()};
    const Json verified = ask({{"do", "verify"}, {"implementation", implementation}});
    if (!verified.at("accepted").get<bool>())
      throw std::runtime_error("wrong answer under valgrind");
    const Json counted = ask({{"do", "count"}, {"implementation", implementation}});
    Instructions result;
    std::vector<std::string> target;
    for (const auto& [name, kernel] : counted.at("kernels").items())
      target.push_back(name + ' ' + kernel.get<std::string>());
    result.target = fmt::format("{}", fmt::join(target, ", "));
    std::ostringstream text;
    text << std::ifstream(fmt::format("{}.{}.{}", (scratch_ / kDumps).string(), id_, ++dumps_))
                .rdbuf();
    result.count = parse_callgrind(text.str());
    if (!result.count) result.why_not = "callgrind wrote no count";
    return result;
  }

 private:
  /// The answer. Throws std::runtime_error with the reason when there is none.
  Json ask(const Json& request) {
    run::Limits limits;
    limits.deadline = std::chrono::minutes(3);
    const run::Reply reply = process_.request(request, limits);
    if (const auto why = run::refusal(reply)) throw std::runtime_error(*why);
    return reply.message;
  }

  fs::path scratch_;
  run::WorkerProcess process_;
  pid_t id_ = 0;
  Json unsupported_;
  int dumps_ = 0;
};

}  // namespace

std::optional<std::int64_t> parse_callgrind(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    for (const std::string_view name : {"totals: ", "summary: "}) {
      if (!line.starts_with(name)) continue;
      std::int64_t count = 0;
      const char* begin = line.data() + name.size();
      const auto parsed = std::from_chars(begin, line.data() + line.size(), count);
      if (parsed.ec == std::errc() && parsed.ptr != begin) return count;
    }
  }
  return std::nullopt;
}

std::map<std::string, Instructions> count_instructions(const std::string& program,
                                                       const run::PlannedPoint& planned,
                                                       const run::Plan& plan,
                                                       const fs::path& scratch) {
  std::map<std::string, Instructions> counted;
  std::unique_ptr<Counter> counter;
  for (const model::Implementation* implementation : planned.implementations) {
    Instructions& result = counted[implementation->name];
    result.why_not = left_out(planned, *implementation);
    if (result.why_not.empty() && !installed("valgrind"))
      result.why_not = "valgrind is not installed";
    if (!result.why_not.empty()) continue;
    try {
      if (!counter || !counter->alive())
        counter = std::make_unique<Counter>(program, planned, plan, scratch);
      result = counter->count(implementation->name);
    } catch (const std::runtime_error& error) {
      result.why_not = error.what();
    } catch (const Json::exception&) {
      result.why_not = "broke the worker protocol";
    }
  }
  return counted;
}

}  // namespace ashlar::gate
