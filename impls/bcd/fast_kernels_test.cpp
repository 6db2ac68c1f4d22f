// Each kernel on each dispatch target against plain loops in higher precision, at sizes around
// those of vectors.
#include "impls/bcd/fast_kernels.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "impls/bcd/losses.hpp"
#include "impls/bcd/test_drawn.hpp"
#include "impls/core/aligned_buffer.hpp"

namespace ashlar::bcd::drawn {
namespace {

constexpr core::Isa kKernelIsas[] = {core::Isa::avx2, core::Isa::avx512};
using KernelVector = std::vector<double>;

template <class Body>
void on_each_kernel_target(const Body& body) {
  for (const core::Isa isa : kKernelIsas) {
    if (isa > core::hardware_isa()) continue;
    const core::ScopedIsaLimit limit(isa);
    CAPTURE(core::highway_target());
    CHECK(fast_kernels().isa <= isa);
    body(fast_kernels());
  }
}

bool kernel_close(double value, long double expected, long double scale) {
  return std::abs(static_cast<long double>(value) - expected) <= 1e-14L * scale;
}

/// <column j, v> + 0.25, and what rounding is relative to.
std::pair<long double, long double> exact_dot(const SparseLines& columns, Index j,
                                              const KernelVector& v) {
  long double sum = 0.25L;
  long double scale = 1;
  for (std::int64_t e = columns.starts[j]; e < columns.starts[j + 1]; ++e) {
    const long double term = static_cast<long double>(columns.values[e]) * v[columns.indices[e]];
    sum += term;
    scale += std::abs(term);
  }
  return {sum, scale};
}

TEST_CASE("columns times a vector, for every number of entries around vectors") {
  Draws draws(3);
  const auto a = random_features(61, 57, 0.6, draws);
  const KernelVector v = draws.vector(61);
  on_each_kernel_target([&](const FastKernels& kernels) {
    KernelVector out(57, std::numeric_limits<double>::quiet_NaN());
    kernels.column_dots(a->by_column, 3, 57, v.data(), 0.25, out.data() + 3);
    CHECK(std::isnan(out[2]));
    for (Index j = 3; j < 57; ++j) {
      const auto [sum, scale] = exact_dot(a->by_column, j, v);
      CHECK(kernel_close(out[j], sum, scale));
    }
  });
}

TEST_CASE("columns in slices times a vector, with lanes to spare and columns of any length") {
  Draws draws(4);
  for (const Index columns : {8, 64, 127, 1030}) {
    CAPTURE(columns);
    const auto a = random_features(300, columns, 0.3, draws);
    const KernelVector v = draws.vector(300);
    const auto sliced = slice_columns(*a);
    REQUIRE(sliced);
    CHECK(sliced->slices() == (columns + 7) / 8);
    on_each_kernel_target([&](const FastKernels& kernels) {
      KernelVector out(static_cast<std::size_t>(columns), std::numeric_limits<double>::quiet_NaN());
      const Index half = sliced->slices() / 2;
      kernels.sliced_dots(*sliced, half, sliced->slices(), v.data(), 0.25, out.data());
      kernels.sliced_dots(*sliced, 0, half, v.data(), 0.25, out.data());
      for (Index j = 0; j < columns; ++j) {
        const auto [sum, scale] = exact_dot(a->by_column, j, v);
        CHECK(kernel_close(out[j], sum, scale));
      }
    });
  }
}

TEST_CASE("what is infinite in one row reaches only the columns that have it") {
  Draws draws(5);
  const auto a = random_features(90, 64, 0.4, draws);
  const auto sliced = slice_columns(*a);
  REQUIRE(sliced);
  KernelVector v = draws.vector(90);
  v[0] = std::numeric_limits<double>::infinity();
  on_each_kernel_target([&](const FastKernels& kernels) {
    KernelVector out(64);
    kernels.sliced_dots(*sliced, 0, sliced->slices(), v.data(), 0, out.data());
    for (Index j = 0; j < 64; ++j) {
      CHECK(std::isfinite(out[j]) == (a->by_column.indices_of(j).front() != 0));
    }
  });
}

TEST_CASE("columns of very different lengths, or with many rows, are left as they are") {
  FeatureMatrix a;
  a.rows = 200;
  a.columns = 16;
  a.by_row.starts.push_back(0);
  for (Index r = 0; r < a.rows; ++r) {  // columns of 200 and 1 in turn fill two slices
    for (Index j = 0; j < a.columns; ++j) {
      if (j % 2 == 1 && r > 0) continue;
      a.by_row.indices.push_back(j);
      a.by_row.values.push_back(1);
    }
    a.by_row.starts.push_back(static_cast<std::int64_t>(a.by_row.indices.size()));
  }
  a.by_column = transposed(a.by_row, a.columns);
  CHECK(slice_columns(a));  // sorted by length, so that each slice is of one kind
  a.columns = 15;           // the last slice has seven columns of one entry and a lane to spare
  a.by_column.starts.pop_back();
  CHECK(slice_columns(a));
  a.rows = 65537;
  CHECK_FALSE(slice_columns(a));
  a.rows = 200;
  for (Index j = 1; j < 15; ++j) {  // one long column beside short ones
    a.by_column.starts[static_cast<std::size_t>(j) + 1] =
        a.by_column.starts[static_cast<std::size_t>(j)] + 1;
  }
  CHECK_FALSE(slice_columns(a));
}

TEST_CASE("columns times rows of classes, from one class to more than registers hold") {
  for (const Index classes : {1, 2, 3, 4, 5, 7, 8, 9, 50, 52, 53, 105, 131}) {
    CAPTURE(classes);
    Draws draws(4);
    const auto a = random_features(13, 9, 0.5, draws);
    const Index stride = class_stride(classes);
    core::AlignedBuffer v(sizeof(double) * 13 * static_cast<std::size_t>(stride));
    for (Index i = 0; i < 13 * stride; ++i) v.as<double>()[i] = draws.normal();
    on_each_kernel_target([&](const FastKernels& kernels) {
      KernelVector out(static_cast<std::size_t>(9) * classes + 1, -7);
      kernels.class_dots(a->by_column, 0, 9, v.as<double>(), classes, 0.5, out.data());
      CHECK(out.back() == -7);
      for (Index j = 0; j < 9; ++j) {
        for (Index c = 0; c < classes; ++c) {
          long double sum = 0.5L;
          long double scale = 1;
          for (std::int64_t e = a->by_column.starts[j]; e < a->by_column.starts[j + 1]; ++e) {
            const double* row = v.as<double>() + a->by_column.indices[e] * stride;
            sum += static_cast<long double>(a->by_column.values[e]) * row[c];
            scale += std::abs(a->by_column.values[e] * row[c]);
          }
          CHECK(kernel_close(out[j * classes + c], sum, scale));
        }
      }
    });
  }
}

TEST_CASE("lines are added to a part of a vector") {
  Draws draws(5);
  for (const Index count : {0, 1, 3, 4, 7}) {
    std::vector<KernelVector> lines;
    std::vector<const double*> pointers;
    for (Index l = 0; l < count; ++l) lines.push_back(draws.vector(2500));
    for (const KernelVector& line : lines) pointers.push_back(line.data());
    const KernelVector factors = draws.vector(count);
    const KernelVector start = draws.vector(2500);
    on_each_kernel_target([&](const FastKernels& kernels) {
      KernelVector out = start;
      kernels.add_lines(pointers.data(), factors.data(), count, 5, 2499, out.data());
      for (Index i = 0; i < 2500; ++i) {
        long double sum = start[i];
        if (i >= 5 && i < 2499) {
          for (Index l = 0; l < count; ++l)
            sum += static_cast<long double>(factors[l]) * lines[l][i];
        }
        CHECK(kernel_close(out[i], sum, 10));
      }
    });
  }
}

TEST_CASE("logistic rows, from margins that overflow exp to margins of 0") {
  KernelVector z;
  for (const double size :
       {0.0, 1e-300, 1e-9, 0.3, 1.0, 17.0, 36.0, 40.0, 700.0, 709.0, 745.0, 800.0, 1e5, 1e300}) {
    z.push_back(size);
    z.push_back(-size);
  }
  Draws draws(6);
  for (const double more : draws.vector(31, 20)) z.push_back(more);
  KernelVector y;
  for (std::size_t r = 0; r < z.size(); ++r) y.push_back(r % 3 == 0 ? -1 : 1);
  const auto n = static_cast<Index>(z.size());
  on_each_kernel_target([&](const FastKernels& kernels) {
    KernelVector weights(z.size());
    KernelVector curvatures(z.size());
    KernelVector losses(z.size());
    kernels.logistic(z.data(), y.data(), n, weights.data(), curvatures.data(), losses.data());
    for (std::size_t r = 0; r < z.size(); ++r) {
      const double margin = y[r] * z[r];
      CAPTURE(margin);
      // Below exp(-700) all of them may be 0.
      CHECK(std::abs(weights[r] - y[r] * logistic_slope(margin)) <=
            1e-15 * std::abs(logistic_slope(margin)) + 1e-304);
      CHECK(std::abs(curvatures[r] - logistic_curvature(margin)) <=
            2e-15 * logistic_curvature(margin) + 1e-304);
      CHECK(std::abs(losses[r] - logistic_loss(margin)) <= 1e-15 * logistic_loss(margin) + 1e-304);
    }
  });
}

TEST_CASE("softmax rows: probabilities, the rest of the sum without cancellation, ties") {
  for (const Index classes : {1, 2, 3, 4, 7, 8, 9, 50}) {
    for (const double scale : {0.0, 1e-3, 1.0, 40.0, 900.0, 1e6}) {
      CAPTURE(classes, scale);
      Draws draws(8);
      const KernelVector scores = draws.vector(classes, scale);
      const std::size_t bytes = sizeof(double) * static_cast<std::size_t>(class_stride(classes));
      core::AlignedBuffer z(bytes);
      core::AlignedBuffer p(bytes);
      std::copy(scores.begin(), scores.end(), z.as<double>());
      KernelVector expected = scores;
      const SoftmaxRow row = softmax_in_place(expected, 0);
      on_each_kernel_target([&](const FastKernels& kernels) {
        const SoftmaxSums sums = kernels.softmax(z.as<double>(), classes, p.as<double>());
        const double complement = sums.others / (1 + sums.others);
        CHECK(std::abs(complement - row.complement) <= 1e-14 * row.complement + 1e-304);
        CHECK(sums.max == *std::max_element(scores.begin(), scores.end()));
        for (Index c = 0; c < classes; ++c) {
          CHECK(std::abs(p.as<double>()[c] - expected[c]) <= 1e-14 * expected[c] + 1e-304);
        }
        for (Index c = classes; c < class_stride(classes); ++c) CHECK(p.as<double>()[c] == 0);
      });
    }
  }
}

TEST_CASE("sums, products and counts") {
  Draws draws(9);
  for (const Index n : {0, 1, 3, 4, 15, 16, 17, 31, 32, 33, 100}) {
    CAPTURE(n);
    KernelVector a = draws.vector(n);
    const KernelVector b = draws.vector(n);
    const KernelVector c = draws.vector(n);
    for (Index i = 0; i < n; i += 3) a[i] = i % 2 == 0 ? 0.0 : -0.0;
    on_each_kernel_target([&](const FastKernels& kernels) {
      long double dot = 0;
      long double difference = 0;
      long double sum = 0;
      Index nonzeros = 0;
      for (Index i = 0; i < n; ++i) {
        dot += static_cast<long double>(a[i]) * b[i];
        difference += static_cast<long double>(a[i]) * (static_cast<long double>(b[i]) - c[i]);
        sum += a[i];
        nonzeros += a[i] != 0 ? 1 : 0;
      }
      CHECK(kernel_close(kernels.dot(a.data(), b.data(), n), dot, 30));
      CHECK(
          kernel_close(kernels.dot_of_difference(a.data(), b.data(), c.data(), n), difference, 60));
      CHECK(kernel_close(kernels.sum(a.data(), n), sum, 30));
      CHECK(kernels.nonzeros(a.data(), n) == nonzeros);
      KernelVector small(static_cast<std::size_t>(n));
      for (Index i = 0; i < n; ++i) small[i] = std::exp(-40 * std::abs(b[i]));
      KernelVector logs(static_cast<std::size_t>(n));
      kernels.log1p(small.data(), n, logs.data());
      for (Index i = 0; i < n; ++i) {
        CHECK(std::abs(logs[i] - std::log1p(small[i])) <= 1e-15 * std::log1p(small[i]));
      }
    });
  }
}

}  // namespace
}  // namespace ashlar::bcd::drawn
