#pragma once
// Options of one verb, on Boost.Program_options: no guessed abbreviations, unknown words are
// answered with the nearest known one, a word that no option takes is an error.
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <boost/program_options.hpp>

#include "harness/cli/command.hpp"

namespace ashlar::cli {

class Options {
 public:
  /// `positionals` is the synopsis of the words without a dash, e.g. "[SUITE...]".
  Options(std::string verb, std::string positionals, std::string about);

  boost::program_options::options_description_easy_init add() { return description_.add_options(); }

  /// False when --help was asked for and has been printed. Throws UsageError.
  bool parse(const Context& context, const Arguments& arguments);

  bool has(const std::string& name) const { return values_.count(name) > 0; }
  template <class T>
  T get(const std::string& name) const {
    return values_[name].as<T>();
  }
  std::vector<std::string> list(const std::string& name) const;
  const std::vector<std::string>& words() const { return words_; }
  /// Throws UsageError when there are more words than `most`.
  void at_most(std::size_t most) const;

 private:
  void print_help(const Context& context) const;
  std::vector<std::string> known_names() const;

  std::string verb_;
  std::string positionals_;
  std::string about_;
  boost::program_options::options_description description_;
  boost::program_options::variables_map values_;
  std::vector<std::string> words_;
};

/// --mode, --where, --only, --skip, --tier, --seed: what list, run and gbench share.
void add_filter_options(Options& options);
run::Filter filter_from(const Options& options);
/// --where as pairs of axis and value. Throws UsageError for anything but axis=value.
std::vector<std::pair<std::string, std::string>> axis_choices(const Options& options);
model::Mode mode_from(const Options& options);
std::uint64_t seed_from(const Options& options);

/// The number given for an option, or `fallback` without one. Throws UsageError beyond the bounds.
template <class Number>
Number between(const Options& options, const char* name, Number fallback, Number least,
               Number most) {
  const Number value = options.has(name) ? options.get<Number>(name) : fallback;
  if (!(value >= least && value <= most))
    throw UsageError(fmt::format("--{} {}: must be from {} to {}", name, value, least, most));
  return value;
}

/// Record files from words; without any, the newest one in ashlar-runs/. Throws UsageError naming
/// what is missing.
std::vector<std::filesystem::path> record_files(const std::vector<std::string>& words);
inline constexpr const char* kRunFolder = "ashlar-runs";
/// Throws UsageError when `path` is a compressed file, or has the name of one: records are written
/// uncompressed.
void refuse_compressed(const std::filesystem::path& path);

/// Writes results to `path`, or to standard output without one. The file is whole or untouched:
/// the text goes to a file beside it, which then takes its name. Throws UsageError when the place
/// cannot be written, std::system_error when the disk is full.
void write_output(const std::optional<std::string>& path, const std::string& text);

}  // namespace ashlar::cli
