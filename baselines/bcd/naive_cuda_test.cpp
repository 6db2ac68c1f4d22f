// The plain objective on a GPU against the dense one on the CPU. Without a device this says why it
// is skipped and passes.
#include "baselines/bcd/naive_cuda.hpp"

#include <iostream>
#include <stdexcept>
#include <vector>

#include <catch2/catch.hpp>

#include "baselines/bcd/naive.hpp"
#include "impls/bcd/solve.hpp"
#include "impls/bcd/test_problems.hpp"
#include "impls/core/cuda/device.hpp"

namespace ashlar::bcd::baselines {
namespace naive_cuda_test {
namespace {

using namespace bcd::testing;

bool near(std::span<const double> a, std::span<const double> b) {
  return distance(a, b) <= 1e-12 * (1 + magnitude(b));
}

bool skipped() {
  const auto why = naive_cuda_unsupported(make_random(Loss::least_squares, {2, 2, 1, 1.0}, 1));
  if (why) std::cout << "skipped: " << *why << "\n";
  return why.has_value();
}

}  // namespace

TEST_CASE("the plain objective on a GPU refuses what it has no kernels or no device for") {
  int refused = 0;
  for (const Problem& problem : small_problems()) {
    if (!naive_cuda_unsupported(problem)) continue;
    CHECK_THROWS_AS(make_naive_cuda_objective(problem), std::invalid_argument);
    ++refused;
  }
  CHECK(refused == (core::cuda::device_status().available ? 6 : 11));
}

TEST_CASE("the plain objective on a GPU says what the dense one says") {
  if (skipped()) return;
  for (const Problem& problem : small_problems_and_penalised()) {
    if (naive_cuda_unsupported(problem)) continue;
    const auto device = make_naive_cuda_objective(problem);
    const auto naive = make_naive_objective(problem);
    CHECK(near(device->lipschitz(), naive->lipschitz()));
    Draws draws(4);
    const std::vector<Index> block = unsorted_block(problem.size(), 6);
    Vector matrix(block.size() * block.size()), other_matrix(matrix.size());
    Vector part(block.size()), other_part(block.size());
    for (const double scale : {0.0, 1.0, 100.0}) {
      INFO(name_of(problem.loss) << ", p = " << problem.size() << ", |x| ~ " << scale);
      const Vector x = draws.vector(static_cast<std::size_t>(problem.size()), scale);
      const Vector step = draws.vector(block.size());
      for (Objective* objective : {device.get(), naive.get()}) {
        objective->set_x(x);
        objective->move(block, step);
      }
      CHECK(distance(device->x(), naive->x()) == 0);
      CHECK(device->value() == naive->value());
      CHECK(device->value_after(block, step) == naive->value_after(block, step));
      CHECK(near(device->gradient(), naive->gradient()));
      device->gradient_of(block, part);
      naive->gradient_of(block, other_part);
      CHECK(distance(part, other_part) <= 1e-12 * (1 + magnitude(naive->gradient())));
      device->bound_block(block, matrix);
      naive->bound_block(block, other_matrix);
      CHECK(near(matrix, other_matrix));
    }
    CHECK(device->traffic().bytes > 0);
  }
}

TEST_CASE("iterations by the plain objective on a GPU are those of the dense one") {
  if (skipped()) return;
  for (const Loss loss : {Loss::least_squares, Loss::logistic}) {
    const Problem problem = make_random(loss, {60, 200, 1, 0.3}, 12);
    for (const Selection selection : {Selection::gs, Selection::cyclic}) {
      for (const Update update : {Update::lipschitz_block, Update::matrix}) {
        INFO(name_of(loss) << " " << name_of(selection) << " " << name_of(update));
        Rule rule;
        rule.partition = Partition::sort;
        rule.selection = selection;
        rule.update = update;
        rule.block_size = 10;
        Parts device = make_parts(make_naive_cuda_objective(problem), rule);
        Parts naive = make_parts(make_naive_objective(problem), rule);
        iterate(device, 25);
        iterate(naive, 25);
        CHECK(distance(device.objective->x(), naive.objective->x()) <=
              1e-9 * magnitude(naive.objective->x()));
      }
    }
  }
}

}  // namespace naive_cuda_test
}  // namespace ashlar::bcd::baselines
