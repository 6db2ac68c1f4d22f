// kill -9 at random moments, through the real executable: of the supervisor, of a worker, of both.
// Whatever is killed, resuming ends with what an undisturbed run records; nothing finished is lost
// or measured twice, no process and no scratch folder stays behind.
//
// ASHLAR_KILLS=200 kill_cli_test for more kills than ctest asks for; ASHLAR_KILL_SEED for others.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <thread>

#include <catch2/catch.hpp>

#include "harness/record/file.hpp"
#include "harness/testing/program.hpp"

using namespace ashlar;
using namespace ashlar::testing;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

long from_environment(const char* name, long fallback) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::atol(text) : fallback;
}

struct Process {
  pid_t id = 0;
  pid_t parent = 0;
  std::string name;
};

/// All processes whose working folder is `folder`: the run, its workers and what they started.
std::vector<Process> processes_in(const fs::path& folder) {
  std::vector<Process> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string id = entry.path().filename();
    if (id.find_first_not_of("0123456789") != std::string::npos) continue;
    if (fs::read_symlink(entry.path() / "cwd", ignored) != folder) continue;
    std::string stat = read_text(entry.path() / "stat");
    const std::size_t open = stat.find('(');
    const std::size_t close = stat.rfind(')');
    if (open == std::string::npos || close == std::string::npos) continue;
    char state = 0;
    Process process{static_cast<pid_t>(std::stol(id)), 0, stat.substr(open + 1, close - open - 1)};
    std::istringstream(stat.substr(close + 1)) >> state >> process.parent;
    if (state != 'Z') found.push_back(process);
  }
  return found;
}

bool all_gone(const fs::path& folder) {
  const auto deadline = Clock::now() + std::chrono::seconds(10);
  while (!processes_in(folder).empty()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

pid_t start_run(const fs::path& folder) {
  const pid_t child = fork();
  if (child != 0) return child;
  if (chdir(folder.c_str()) != 0) _exit(126);
  setenv("TMPDIR", (folder / "tmp").c_str(), 1);
  setenv("ASHLAR_TIMING_LOCK", (folder / "tmp/timing.lock").c_str(), 1);
  if (freopen("out.txt", "w", stdout) == nullptr || freopen("err.txt", "a", stderr) == nullptr)
    _exit(126);
  // A target that is met by accident alone, so that points get all their rounds.
  execl(ASHLAR_TOY, ASHLAR_TOY, "run", "toy", "--only",
        "scale/length=(64|256)|descent|misbehave.*/(fine|segfaults)$", "--skip",
        "again.*python|256.*python|absent", "--rounds", "3", "--tight", "1e-9", "--budget", "1000",
        "--no-calibration", "--out", "r.jsonl", "--resume", nullptr);
  _exit(127);
}

/// What a finished run holds, without what was measured.
struct Contents {
  std::map<std::pair<std::string, int>, std::string> cases;          // id, round -> point
  std::map<std::tuple<std::string, int, bool>, std::string> checks;  // control?
  std::set<std::pair<std::string, std::uint64_t>> studies;
  std::set<std::pair<std::string, int>> finished;  // point, round
  std::set<std::pair<std::string, int>> crashed;   // case, round
  std::set<std::pair<std::string, int>> doubled;   // points and rounds with a case recorded twice
  std::map<std::string, int> rounds;               // by point, as the event `rounds` says
  std::size_t finished_lines = 0;
  std::size_t runs = 0;
};

template <class Place>
std::string point_of(const Place& place) {
  if constexpr (std::is_same_v<Place, model::Json>) {
    return place.at("experiment").template get<std::string>() + place.at("point").dump();
  } else {
    return fmt::format("{}{}", place.experiment, place.point.to_json().dump());
  }
}

void take_event(const record::EventRecord& event, Contents& contents) {
  if (event.event == "rounds")
    contents.rounds[point_of(event.details)] = event.details.at("rounds").get<int>();
  if (event.event != "point-finished") return;
  contents.finished.emplace(point_of(event.details), event.details.at("round").get<int>());
  ++contents.finished_lines;
}

Contents contents_of(const fs::path& file) {
  Contents contents;
  record::read_file(file, [&](record::Record&& any) {
    if (const auto* one = std::get_if<record::CaseRecord>(&any)) {
      const bool fresh =
          contents.cases.emplace(std::pair(one->case_id, one->round), point_of(*one)).second;
      if (!fresh) contents.doubled.emplace(point_of(*one), one->round);
      if (one->status != record::Status::ok) contents.crashed.emplace(one->case_id, one->round);
    } else if (const auto* check = std::get_if<record::CheckRecord>(&any)) {
      contents.checks.emplace(std::tuple(check->case_id, check->round, check->control),
                              point_of(*check));
    } else if (const auto* study = std::get_if<record::StudyRecord>(&any)) {
      contents.studies.emplace(study->case_id, study->seed);
    } else if (std::holds_alternative<record::RunRecord>(any)) {
      ++contents.runs;
    } else if (const auto* event = std::get_if<record::EventRecord>(&any)) {
      take_event(*event, contents);
    }
  });
  return contents;
}

/// What a run must hold whose points had so many rounds, by the first round of the undisturbed one.
Contents expected(const Contents& undisturbed, const std::map<std::string, int>& rounds) {
  Contents wanted;
  const auto repeat = [&](const std::string& point, auto&& add) {
    const auto found = rounds.find(point);
    for (int round = 0; round < (found != rounds.end() ? found->second : 0); ++round) add(round);
  };
  for (const auto& [key, point] : undisturbed.cases) {
    if (key.second == 0)
      repeat(point, [&, id = key.first, at = point](int round) { wanted.cases[{id, round}] = at; });
  }
  for (const auto& [key, point] : undisturbed.checks) {
    const auto& [id, round, control] = key;
    if (control) wanted.checks[key] = point;
    if (round == 0 && !control)
      repeat(point, [&, its = id, at = point](int r) { wanted.checks[{its, r, false}] = at; });
  }
  for (const auto& [point, round] : undisturbed.finished) {
    if (round > 0) continue;
    if (!rounds.contains(point)) wanted.finished.emplace(point, 0);  // a study
    repeat(point, [&, at = point](int r) { wanted.finished.emplace(at, r); });
  }
  wanted.studies = undisturbed.studies;
  return wanted;
}

std::string whole_lines(const fs::path& file) {
  const std::string text = read_text(file);
  return text.substr(0, text.rfind('\n') + 1);
}

enum class Victim { supervisor, worker, both };

bool is_over(pid_t child) {
  siginfo_t ended{};
  waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT);
  return ended.si_pid != 0;
}

/// Workers that run now; between points there is none for a moment.
std::vector<pid_t> workers_of(pid_t supervisor, const fs::path& folder) {
  std::vector<pid_t> workers;
  while (workers.empty() && !is_over(supervisor)) {
    for (const Process& process : processes_in(folder)) {
      if (process.parent == supervisor && process.name != "ashlar-guardian")
        workers.push_back(process.id);
    }
  }
  return workers;
}

/// False when the run was over before anything could be killed.
bool kill_one(pid_t supervisor, Victim victim, const fs::path& folder, std::mt19937_64& random) {
  std::vector<pid_t> workers;
  if (victim != Victim::supervisor) workers = workers_of(supervisor, folder);
  if (is_over(supervisor)) return false;
  if (victim != Victim::worker) kill(supervisor, SIGKILL);
  if (!workers.empty()) kill(workers[random() % workers.size()], SIGKILL);
  return true;
}

struct Tally {
  long kills = 0;
  long supervisors = 0;
  long files = 0;
  std::size_t measured_again = 0;
};

/// Everything that must hold of a file that was killed so often and has ended.
void compare(const Contents& got, const Contents& undisturbed, long supervisors_killed) {
  const Contents wanted = expected(undisturbed, got.rounds);
  CHECK(got.runs == 1);
  CHECK(got.rounds.size() == undisturbed.rounds.size());
  for (const auto& [point, rounds] : got.rounds) CHECK((rounds == 2 || rounds == 3));
  CHECK(got.cases == wanted.cases);
  CHECK(got.studies == wanted.studies);
  CHECK(got.finished == wanted.finished);
  CHECK(got.finished_lines == got.finished.size());  // none was measured again once it was finished
  CHECK(got.doubled.size() <= static_cast<std::size_t>(supervisors_killed));
  for (const auto& [check, point] : wanted.checks) {
    // An implementation whose worker was killed before its answer was seen has no check.
    const bool lost = got.crashed.contains({std::get<0>(check), std::get<1>(check)});
    if (!lost) CHECK(got.checks.contains(check));
  }
  for (const auto& [check, point] : got.checks) CHECK(wanted.checks.contains(check));
}

/// One file: killed at random moments, and resumed, until it ends by itself.
void one_file(const Contents& wanted, double seconds, long most_kills, std::mt19937_64& random,
              Tally& tally) {
  const Folder folder;
  fs::create_directory(folder / "tmp");
  std::string kept;
  long supervisors_killed = 0;
  for (bool ended = false; !ended;) {
    const pid_t supervisor = start_run(folder.path());
    const bool last = tally.kills >= most_kills;
    if (!last) {
      std::uniform_real_distribution<double> moment(0, seconds);
      std::this_thread::sleep_for(std::chrono::duration<double>(moment(random)));
      const auto victim = static_cast<Victim>(random() % 3);
      if (kill_one(supervisor, victim, folder.path(), random)) {
        ++tally.kills;
        if (victim != Victim::worker) ++supervisors_killed;
      }
    }
    int status = 0;
    REQUIRE(waitpid(supervisor, &status, 0) == supervisor);
    ended = WIFEXITED(status);
    INFO(read_text(folder / "err.txt"));
    if (ended) REQUIRE(WEXITSTATUS(status) == 0);
    REQUIRE(all_gone(folder.path()));
    const std::string now = fs::exists(folder / "r.jsonl") ? whole_lines(folder / "r.jsonl") : "";
    REQUIRE(now.substr(0, kept.size()) == kept);  // what was whole once stays
    kept = now;
  }
  const Contents got = contents_of(folder / "r.jsonl");
  compare(got, wanted, supervisors_killed);
  for (const auto& entry : fs::directory_iterator(folder / "tmp"))
    CHECK(entry.path().filename() == "timing.lock");  // no scratch folder
  tally.supervisors += supervisors_killed;
  tally.measured_again += got.doubled.size();
  ++tally.files;
}

}  // namespace

TEST_CASE("kill -9 at random moments loses and doubles nothing") {
  const long kills = from_environment("ASHLAR_KILLS", 12);
  const long seed = from_environment("ASHLAR_KILL_SEED", 1);
  INFO("seed " << seed);
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  const Folder folder;
  fs::create_directory(folder / "tmp");
  const auto start = Clock::now();
  int status = 0;
  const pid_t undisturbed = start_run(folder.path());
  REQUIRE(waitpid(undisturbed, &status, 0) == undisturbed);
  INFO(read_text(folder / "err.txt"));
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const Contents wanted = contents_of(folder / "r.jsonl");
  REQUIRE(wanted.rounds.size() == 5);
  REQUIRE(wanted.studies.size() == 2 * 3 * 5);
  REQUIRE(wanted.doubled.empty());
  compare(wanted, wanted, 0);
  Tally tally;
  while (tally.kills < kills) one_file(wanted, seconds, kills, random, tally);
  WARN(tally.kills << " kills, " << tally.supervisors << " of the supervisor, in " << tally.files
                   << " runs of " << seconds << " s; " << tally.measured_again
                   << " points x rounds recorded again");
}
