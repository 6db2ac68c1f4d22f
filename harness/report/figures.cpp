#include "harness/report/figures.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/gnuplot_script.hpp"
#include "harness/report/page.hpp"
#include "harness/report/tables.hpp"

extern char** environ;

namespace ashlar::report {

namespace fs = std::filesystem;
using model::Json;

namespace {

std::vector<std::string> words(const Json& json, const char* name) {
  std::vector<std::string> list;
  if (!json.contains(name) || !json[name].is_array()) return list;
  for (const Json& word : json[name]) {
    if (word.is_string()) list.push_back(word.get<std::string>());
  }
  return list;
}

FigureSpec spec_of(const Json& json) {
  FigureSpec spec;
  spec.name = json.value("name", "");
  spec.kind = json.value("kind", "");
  spec.x = json.value("x", "");
  spec.panels = words(json, "panels");
  spec.over = words(json, "over");
  spec.title = json.value("title", "");
  spec.curve = json.value("curve", "");
  spec.y = json.value("y", "");
  const auto log = json.find("log");
  if (log != json.end() && log->is_string()) spec.log = log->get<std::string>();
  if (log != json.end() && log->is_boolean()) spec.log = log->get<bool>() ? "y" : "none";
  if (spec.name.empty()) spec.name = spec.kind;
  return spec;
}

std::string read_all(int descriptor) {
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t got = read(descriptor, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

/// gnuplot repeats the whole command before each warning; only the warnings are of use.
std::string warnings_of(const std::string& said) {
  std::string out;
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("warning") == std::string::npos || out.find(line) != std::string::npos) continue;
    out += (out.empty() ? "" : "; ") + line;
  }
  return out;
}

/// Runs gnuplot in the folder of the script; returns what it says on its standard error.
std::string run_gnuplot(const std::string& program, const fs::path& folder,
                        const std::string& script, const std::string& format) {
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0)
    throw GnuplotError(fmt::format("no pipe to gnuplot: {}", std::strerror(errno)));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDERR_FILENO);
  std::string assignment = fmt::format("format='{}'", format);
  std::string option = "-e";
  std::string name = program;
  std::string file = script;
  char* arguments[] = {name.data(), option.data(), assignment.data(), file.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawnp(&child, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_ends[1]);
  if (error != 0) {
    close(pipe_ends[0]);
    throw GnuplotError(fmt::format(
        "cannot start {}: {}; figures need gnuplot 5.4 (package gnuplot-nox) on PATH. The script "
        "{} is there to be drawn later",
        program, std::strerror(error), (folder / script).string()));
  }
  std::string said = read_all(pipe_ends[0]);
  close(pipe_ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw GnuplotError(fmt::format("gnuplot failed on {}: {}", (folder / script).string(), said));
  return said;
}

void write_text(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out)
    throw fs::filesystem_error("cannot write", path,
                               std::error_code(errno, std::generic_category()));
}

/// All pages of one run, and words on declared figures without any.
template <class View, class MakePages>
void add_pages(const View& view, const MakePages& make, std::vector<Page>& pages,
               std::vector<std::string>& messages) {
  for (const Json& json : view.declared.figures) {
    const FigureSpec spec = spec_of(json);
    std::vector<Page> more = make(spec);
    if (more.empty()) {
      messages.push_back(fmt::format("{} {}: nothing to draw for figure '{}' ({})",
                                     view.declared.suite, view.declared.experiment, spec.name,
                                     spec.kind));
    }
    pages.insert(pages.end(), std::make_move_iterator(more.begin()),
                 std::make_move_iterator(more.end()));
  }
}

std::vector<Page> pages_of(const RunView& run, std::vector<std::string>& messages) {
  std::vector<Page> pages;
  for (const TimedView& view : run.timed) {
    add_pages(
        view, [&](const FigureSpec& spec) { return timed_pages(run, view, spec); }, pages,
        messages);
  }
  for (const StudyView& view : run.studies) {
    add_pages(
        view, [&](const FigureSpec& spec) { return study_pages(run, view, spec); }, pages,
        messages);
  }
  return pages;
}

}  // namespace

FigureFiles write_figures(const record::RecordSet& records, const fs::path& folder,
                          const FigureOptions& options) {
  for (const std::string& format : options.formats) {
    if (format != "svg" && format != "png") {
      throw std::invalid_argument(fmt::format("unknown figure format '{}'{}", format,
                                              model::suggestion(format, {"svg", "png"})));
    }
  }
  FigureFiles result;
  const std::vector<RunView> runs = view(records, options.filter);
  std::vector<Page> pages;
  for (const RunView& run : runs) {
    std::vector<Page> more = pages_of(run, result.messages);
    for (Page& page : more) {
      if (runs.size() > 1) page.file += '-' + file_word(run.run_id);
      pages.push_back(std::move(page));
    }
  }
  if (pages.empty()) {
    const bool any = std::any_of(runs.begin(), runs.end(), [](const RunView& run) {
      return !run.timed.empty() || !run.studies.empty();
    });
    if (!any && records.cases.size() + records.studies.size() > 0)
      throw NothingToShow(kAllFiltered);
    throw NothingToShow(result.messages.empty()
                            ? "no experiment with records declares a figure"
                            : fmt::format("nothing to draw: {}", fmt::join(result.messages, "; ")));
  }
  fs::create_directories(folder);
  for (const Page& page : pages) {
    write_text(folder / (page.file + ".gp"), gnuplot_script(page));
    result.files.push_back(folder / (page.file + ".gp"));
  }
  for (const Page& page : pages) {
    for (const std::string& format : options.formats) {
      const std::string said = run_gnuplot(options.gnuplot, folder, page.file + ".gp", format);
      if (std::string warnings = warnings_of(said); !warnings.empty())
        result.messages.push_back(std::move(warnings));
      result.files.push_back(folder / (page.file + '.' + format));
    }
  }
  return result;
}

}  // namespace ashlar::report
