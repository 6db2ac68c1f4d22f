#pragma once
// A figure before it is drawn: panels, series, axes with their ticks. Pure data.
#include <string>
#include <utility>
#include <vector>

#include "harness/report/view.hpp"

namespace ashlar::report {

/// Colour, point and dash of an implementation: the same in every figure of a suite.
struct Style {
  std::string colour = "#000000";  // as gnuplot reads it
  int point = 7;                   // gnuplot's point type
  int dash = 1;                    // gnuplot's dash type
};

/// Styles by the order in which the run record declares the implementations of the suite, filters
/// notwithstanding. Naive tiers are grey, the others take a palette that colour-blind readers tell
/// apart; every colour comes with a point type of its own.
std::map<std::string, Style> styles_of(const RunView& run, const std::string& suite);

struct Tick {
  double at = 0;
  std::string label;
};

struct PlotAxis {
  std::string title;
  bool log = false;
  double low = 0;
  double high = 1;
  std::vector<Tick> ticks;
};

struct Mark {
  double x = 0;
  double y = 0;
  double low = 0;
  double high = 0;
};

struct Series {
  std::string name;
  Style style;
  std::vector<Mark> marks;  // ascending x
};

/// A line that is no measurement: a roof, a slope, a speed-up of one.
struct Guide {
  enum class Look { solid, dashed, dotted, dash_dotted };
  std::string name;  // in the legend; equal names stand there once
  Look look = Look::dashed;
  std::vector<std::pair<double, double>> points;
  bool room = true;  // the y axis makes room for it
};

struct Panel {
  std::string title;
  std::vector<Series> series;
  std::vector<Guide> guides;
  bool connected = true;  // marks by lines; not where x is a word
  PlotAxis x;
  PlotAxis y;
  std::size_t row = 0;
  std::size_t column = 0;
};

struct Page {
  std::string file;  // without extension
  std::string title;
  std::string subtitle;
  std::vector<std::string> notes;  // below the panels
  bool bands = false;              // ranges as bands, not as bars
  bool shared_y = true;            // one range for all panels; inner labels are left out
  std::vector<Panel> panels;
};

/// One figure of the declaration: {name, kind, x, panels, over, title}; curves also take {curve, y,
/// log}, which `over` may give as [curve, y].
struct FigureSpec {
  std::string name;
  std::string kind;
  std::string x;
  std::vector<std::string> panels;
  std::vector<std::string> over;
  std::string title;
  std::string curve;
  std::string y;
  std::string log;  // x, y, xy, or empty: where the data span it
};

/// Pages of time, rate, speedup and memory figures. Panels without data are left out; a page
/// without panels too. Throws std::invalid_argument for an unknown kind or axis.
std::vector<Page> timed_pages(const RunView& run, const TimedView& view, const FigureSpec& spec);
/// Pages of curve figures (median over seeds, band from least to largest) and of metric figures
/// ({kind: "metric", x: axis, over: [metric]}).
std::vector<Page> study_pages(const RunView& run, const StudyView& view, const FigureSpec& spec);

// Shared by both.

/// Ticks at decades, with 2 and 5 between them where the range is short.
std::vector<Tick> log_ticks(double low, double high);
std::vector<Tick> linear_ticks(double low, double high);
/// "4 KiB", "64 KiB", ... at powers of two; values in bytes.
std::vector<Tick> byte_ticks(double low, double high);

/// How the points of an experiment spread over files and panels.
struct Spread {
  std::string file_suffix;  // "-dtype=bf16", or empty
  std::string file_title;   // "dtype = bf16"
  struct Cell {
    std::string title;
    std::size_t row = 0;
    std::size_t column = 0;
    std::vector<std::size_t> points;  // indices into the points given
  };
  std::vector<Cell> panels;
};
/// The first panel axis makes columns, the second rows; further panel axes, and axes that nobody
/// mentions but that vary, make separate files, so that no two points share a place on one line.
std::vector<Spread> spread(const std::vector<model::Point>& points, const std::string& x,
                           const std::vector<std::string>& panels, const Declared& declared);

/// Places of the x values: numbers where all are numbers, else 1, 2, 3 ... with words as ticks.
class Abscissa {
 public:
  Abscissa(const std::vector<model::Value>& values, const std::string& title);
  double at(const model::Value& value) const;
  /// The axis, and for words marks beside each other instead of lines through them.
  void apply(Panel& panel) const;

 private:
  std::vector<model::Value> values_;
  bool numeric_ = true;
  PlotAxis axis_;
};
/// The axis' title with its unit.
std::string axis_title(const Declared& declared, const std::string& axis);

/// Ranges and ticks of the y axes: one range for all panels where `page.shared_y`.
struct YScale {
  std::string title;
  bool log = false;
  bool from_zero = false;  // linear axes
  bool bytes = false;
};
void scale_y(Page& page, const YScale& scale);
/// Drops empty panels and closes the ranks; where that leaves holes, the rest is packed.
void close_ranks(Page& page);
std::string subtitle_of(const RunView& run);
/// A name that can be part of a file name.
std::string file_word(const std::string& text);

}  // namespace ashlar::report
