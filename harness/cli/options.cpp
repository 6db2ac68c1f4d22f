#include "harness/cli/options.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>
#include <system_error>

#include <fmt/format.h>

#include "harness/record/file.hpp"

namespace ashlar::cli {

namespace po = boost::program_options;

namespace {

constexpr std::string_view kGzip = ".gz";

bool has_record_name(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".jsonl") || name.ends_with(".jsonl.gz");
}

/// Names begin with the time. Of a file that is there compressed and uncompressed the latter may
/// have grown since.
bool is_older(const std::filesystem::path& a, const std::filesystem::path& b) {
  const auto rank = [](const std::filesystem::path& path) {
    std::string name = path.filename().string();
    const bool compressed = name.ends_with(kGzip);
    if (compressed) name.resize(name.size() - kGzip.size());
    return std::pair(name, !compressed);
  };
  return rank(a) < rank(b);
}

}  // namespace

Options::Options(std::string verb, std::string positionals, std::string about)
    : verb_(std::move(verb)),
      positionals_(std::move(positionals)),
      about_(std::move(about)),
      description_("Options", 100) {
  add()("help", "this text");
}

std::vector<std::string> Options::known_names() const {
  std::vector<std::string> names;
  for (const auto& option : description_.options()) names.push_back("--" + option->long_name());
  return names;
}

void Options::print_help(const Context&) const {
  std::ostringstream options;
  options << description_;
  fmt::print("Usage: ashlar {}{}{} [options]\n\n{}\n\n{}", verb_, positionals_.empty() ? "" : " ",
             positionals_, about_, options.str());
}

bool Options::parse(const Context& context, const Arguments& arguments) {
  // Everything without a dash is collected here, so that no word is silently swallowed.
  po::options_description all;
  all.add(description_);
  all.add_options()("word", po::value<std::vector<std::string>>());
  po::positional_options_description positional;
  positional.add("word", -1);
  namespace style = po::command_line_style;
  const int rules = style::allow_long | style::long_allow_adjacent | style::long_allow_next;
  try {
    po::store(
        po::command_line_parser(arguments).options(all).positional(positional).style(rules).run(),
        values_);
    po::notify(values_);
  } catch (const po::unknown_option& error) {
    throw UsageError(fmt::format("ashlar {}: unknown option '{}'{}", verb_, error.get_option_name(),
                                 model::suggestion(error.get_option_name(), known_names())));
  } catch (const po::error& error) {
    throw UsageError(
        fmt::format("ashlar {}: {}; see 'ashlar {} --help'", verb_, error.what(), verb_));
  }
  if (has("help")) {
    print_help(context);
    return false;
  }
  words_ = list("word");
  for (const std::string& word : words_) {
    if (word.starts_with("-")) {
      throw UsageError(
          fmt::format("ashlar {}: unknown option '{}'; options are spelled out, as in --mode{}",
                      verb_, word, model::suggestion("-" + word, known_names())));
    }
  }
  return true;
}

std::vector<std::string> Options::list(const std::string& name) const {
  return has(name) ? get<std::vector<std::string>>(name) : std::vector<std::string>();
}

void Options::at_most(std::size_t most) const {
  if (words_.size() > most) {
    throw UsageError(fmt::format("ashlar {}: unexpected word '{}'; see 'ashlar {} --help'", verb_,
                                 words_[most], verb_));
  }
}

void add_filter_options(Options& options) {
  options.add()                                                                         //
      ("mode", po::value<std::string>()->default_value("quick"), "quick, full or gpu")  //
      ("where", po::value<std::vector<std::string>>(),
       "axis=value; only these points (repeatable; the same axis twice: either value)")  //
      ("only", po::value<std::vector<std::string>>(),
       "regular expression on the case key (repeatable)")  //
      ("skip", po::value<std::vector<std::string>>(),
       "regular expression on the case key (repeatable)")  //
      ("tier", po::value<std::vector<std::string>>(),
       "naive, reference, optimized, cuda or peer (repeatable)")  //
      ("seed", po::value<std::string>()->default_value("1"),
       "seed of problems, orders and bootstraps");
}

std::vector<std::pair<std::string, std::string>> axis_choices(const Options& options) {
  std::vector<std::pair<std::string, std::string>> choices;
  for (const std::string& text : options.list("where")) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
      throw UsageError(
          fmt::format("--where '{}': write axis=value, as in --where seqlen=1024", text));
    }
    choices.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return choices;
}

run::Filter filter_from(const Options& options) {
  run::Filter filter;
  filter.suites = options.words();
  filter.where = axis_choices(options);
  filter.only = options.list("only");
  filter.skip = options.list("skip");
  filter.tiers = options.list("tier");
  return filter;
}

model::Mode mode_from(const Options& options) {
  try {
    return model::parse_mode(options.get<std::string>("mode"));
  } catch (const std::invalid_argument& error) {
    throw UsageError(std::string("--mode: ") + error.what());
  }
}

std::uint64_t seed_from(const Options& options) {
  // Not a number to Program_options, which takes -1 for the largest one.
  const std::string text = options.get<std::string>("seed");
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (error != std::errc() || end != text.data() + text.size())
    throw UsageError(fmt::format("--seed '{}': must be a whole number from 0 to 2^64 - 1", text));
  return seed;
}

std::vector<std::filesystem::path> record_files(const std::vector<std::string>& words) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  for (const std::string& word : words) {
    std::error_code unreadable;
    if (!fs::exists(word, unreadable)) {
      if (unreadable)
        throw UsageError(fmt::format("cannot read '{}': {}", word, unreadable.message()));
      if (const std::string packed = word + std::string(kGzip); fs::exists(packed, unreadable))
        throw UsageError(fmt::format("no record file '{}'; did you mean '{}'?", word, packed));
      std::vector<std::string> near;
      const fs::path folder =
          fs::path(word).has_parent_path() ? fs::path(word).parent_path() : fs::path(".");
      std::error_code ignored;
      for (const auto& entry : fs::directory_iterator(folder, ignored)) {
        if (has_record_name(entry.path()))
          near.push_back(fs::path(entry.path()).lexically_normal().string());
      }
      throw UsageError(fmt::format("no record file '{}'{}", word, model::suggestion(word, near)));
    }
    if (fs::is_directory(word, unreadable))
      throw UsageError(fmt::format("'{}' is a folder, not a record file", word));
    files.emplace_back(word);
  }
  if (!words.empty()) return files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(kRunFolder, ignored)) {
    if (has_record_name(entry.path())) files.push_back(entry.path());
  }
  if (files.empty()) {
    throw UsageError(
        fmt::format("no record file: '{}/' holds none; make one with 'ashlar run', or name a file",
                    kRunFolder));
  }
  return {*std::max_element(files.begin(), files.end(), is_older)};
}

void refuse_compressed(const std::filesystem::path& path) {
  if (record::is_compressed(path)) {
    throw UsageError(
        fmt::format("'{0}' is compressed, but records are written uncompressed; unpack it with "
                    "'gzip -dc {0} >NEW.jsonl', go on with that, and compress it afterwards with "
                    "'gzip -9n NEW.jsonl'",
                    path.string()));
  }
  if (path.extension() == kGzip) {
    throw UsageError(
        fmt::format("--out: '{}': records are written uncompressed; choose a name without .gz, and "
                    "compress the file afterwards with 'gzip -9n FILE'",
                    path.string()));
  }
}

void write_output(const std::optional<std::string>& path, const std::string& text) {
  if (!path) {
    fmt::print("{}", text);
    if (!text.ends_with('\n')) fmt::print("\n");
    return;
  }
  namespace fs = std::filesystem;
  // A device or a pipe has no name to take over.
  std::error_code ignored;
  const bool replace = !fs::exists(*path, ignored) || fs::is_regular_file(*path, ignored);
  const fs::path target = replace ? fs::path(*path + ".unfinished") : fs::path(*path);
  std::ofstream file(target, std::ios::binary);
  if (!file) throw UsageError(fmt::format("cannot write '{}': {}", *path, std::strerror(errno)));
  file << text;
  if (!text.ends_with('\n')) file << '\n';
  file.close();
  if (!file) {
    const int error = errno;
    if (replace) fs::remove(target, ignored);
    throw std::system_error(error, std::generic_category(), "cannot write '" + *path + "'");
  }
  if (replace) fs::rename(target, *path);
}

}  // namespace ashlar::cli
