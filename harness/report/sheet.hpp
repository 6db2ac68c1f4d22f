#pragma once
// Where everything stands on the page of a figure; not for other folders.
#include "harness/report/page.hpp"

namespace ashlar::report {

// Font sizes in points as both terminals of the script take them, and in pixels of the page.
inline constexpr double kPoints = 10;
inline constexpr double kSmallPoints = 8.5;
inline constexpr double kTitlePoints = 13;
inline constexpr double kPixelsPerPoint = 4.0 / 3;
inline constexpr double kText = kPoints * kPixelsPerPoint;
inline constexpr double kSmallText = kSmallPoints * kPixelsPerPoint;
inline constexpr double kLine = 17;  // from one line of text to the next

/// A title of the y axis: for one row of panels, or for all.
struct YTitle {
  std::string text;
  double middle = 0;
};

/// Lengths in pixels of the SVG, from the upper left corner; the PNG has twice as many.
class Sheet {
 public:
  explicit Sheet(const Page& page);

  double width() const { return width_; }
  double height() const { return height_; }
  double left(const Panel& panel) const;
  double right(const Panel& panel) const { return left(panel) + panel_width_; }
  double top(const Panel& panel) const { return top_of(panel.row); }
  double bottom(const Panel& panel) const { return top(panel) + panel_height_; }
  double panel_width() const { return panel_width_; }
  /// One beside each row, or one beside all where it is longer than a row is high.
  std::vector<YTitle> y_titles() const;
  double legend_left() const { return legend_left_; }
  double legend_top() const { return top_of(0) + 8; }
  double notes_top() const;
  /// The notes of the page, wrapped to its width.
  const std::vector<std::string>& notes() const { return notes_; }
  /// No panel stands below.
  bool lowest(const Panel& panel) const;

  /// In gnuplot's screen coordinates.
  double x(double pixels) const { return pixels / width_; }
  double y(double pixels_from_top) const { return 1 - pixels_from_top / height_; }

 private:
  double top_of(std::size_t row) const;
  double widest_y_label() const;
  /// Width and height of the panels, and the room between them.
  void measure_panels();
  /// Lines of the legend, and their width.
  void measure_legend();

  const Page& page_;
  std::size_t rows_ = 1;
  std::size_t columns_ = 1;
  std::vector<std::string> notes_;
  double first_title_ = 0;
  double panel_width_ = 0;
  double panel_height_ = 0;
  double gap_ = 0;
  double row_gap_ = 0;
  double left_ = 0;
  std::size_t legend_lines_ = 0;
  double legend_width_ = 0;
  double legend_left_ = 0;
  double width_ = 0;
  double height_ = 0;
};

}  // namespace ashlar::report
