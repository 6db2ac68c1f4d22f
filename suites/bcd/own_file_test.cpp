#include "suites/bcd/own_file.hpp"

#include <catch2/catch.hpp>

using namespace ashlar::bcd;
using suite::loss_of_labels;

TEST_CASE("labels choose the loss") {
  CHECK(loss_of_labels({-1, 1, 1}) == Loss::logistic);
  CHECK(loss_of_labels({2, 4, 2}) == Loss::logistic);
  CHECK(loss_of_labels({0.5, 0.7, 0.5}) == Loss::logistic);
  CHECK(loss_of_labels({1, 2, 3, 1, 2, 3}) == Loss::softmax);
  CHECK(loss_of_labels({1, 2, 3, 1, 2}) == Loss::least_squares);  // not two rows of each
  CHECK(loss_of_labels({1, 2, 2.5, 1, 2, 2.5}) == Loss::least_squares);
  std::vector<double> years;
  for (int row = 0; row < 1000; ++row) years.push_back(1900 + row % 101);
  CHECK(loss_of_labels(years) == Loss::least_squares);
  years.assign(1000, 0);
  for (int row = 0; row < 1000; ++row) years[row] = row % 100;
  CHECK(loss_of_labels(years) == Loss::softmax);
}
