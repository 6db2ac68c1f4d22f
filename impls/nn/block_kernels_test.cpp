// The kernels on a GPU against the same code on the host. Without a device every case prints why it
// is skipped and passes.
#include "impls/nn/block_kernels.hpp"

#include <cmath>
#include <iostream>
#include <random>
#include <vector>

#include <catch2/catch.hpp>

#include "impls/core/cuda/buffer.hpp"
#include "impls/core/cuda/device.hpp"
#include "impls/nn/block_host.hpp"

namespace ashlar::nn {
namespace block_kernels_test {
namespace {

using core::BFloat16;

bool skipped() {
  if (core::cuda::device_status().available) return false;
  std::cout << "skipped: " << core::cuda::device_status().reason << "\n";
  return true;
}

/// An array on both sides.
template <class T>
class Mirrored {
 public:
  explicit Mirrored(std::vector<T> values)
      : host_(std::move(values)), device_(host_.size() * sizeof(T)) {
    device_.copy_in(host_.data(), device_.bytes());
  }
  T* at(bool on_device) { return on_device ? static_cast<T*>(device_.data()) : host_.data(); }
  /// |device - host| over |host|.
  double difference() const {
    std::vector<T> found(host_.size());
    device_.copy_out(found.data(), device_.bytes());
    double error = 0;
    double size = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const double expected = core::to_float(host_[i]);
      const double off = core::to_float(found[i]) - expected;
      error += off * off;
      size += expected * expected;
    }
    return std::sqrt(error / size);
  }

 private:
  std::vector<T> host_;
  core::cuda::DeviceBuffer device_;
};

struct Shape {
  Index tokens;
  Index width;
};

Mirrored<BFloat16> random(Index count, std::uint32_t seed) {
  std::mt19937 engine(seed);
  std::vector<BFloat16> values(static_cast<std::size_t>(count));
  for (BFloat16& value : values)
    value = core::to_bfloat16(static_cast<float>(engine() >> 8) * 0x1p-22F - 1.7F);
  return Mirrored<BFloat16>(std::move(values));
}
Mirrored<float> no_floats(Index count) {
  return Mirrored<float>(std::vector<float>(static_cast<std::size_t>(count), NAN));
}

/// Calls body(launch rows or sums, on the device or not) for both sides.
template <class Body>
void on_both(const Body& body) {
  HostOps<BFloat16> host;
  body([&](const auto& rows) { host.rows(rows); }, [&](const auto& sums) { host.sums(sums); },
       false);
  body([](const auto& rows) { launch_rows(rows, nullptr); },
       [](const auto& sums) { launch_sums(sums, nullptr); }, true);
  core::cuda::synchronize();
}

// Sums in another order, and exponentials of another library, move a few roundings to bfloat16.
constexpr double kRounding = 2e-3;
constexpr Shape kShapes[] = {{1, 8}, {5, 264}, {300, 520}, {1027, 2048}};

}  // namespace

TEST_CASE("CUDA rows and sums of a norm are those of the host") {
  if (skipped()) return;
  for (const Shape& shape : kShapes) {
    const Index count = shape.tokens * shape.width;
    INFO(shape.tokens << " x " << shape.width);
    auto x = random(count, 1);
    auto dy = random(count, 2);
    auto gain = random(shape.width, 3);
    auto bias = random(shape.width, 4);
    auto y = random(count, 5);
    auto dx = random(count, 6);
    auto dgain = random(shape.width, 7);
    auto dbias = random(shape.width, 8);
    auto moments = no_floats(2 * shape.tokens);
    auto partials = no_floats(2 * kSumParts * shape.width);
    on_both([&](const auto& rows, const auto& sums, bool device) {
      rows(NormRows<BFloat16>{shape.tokens, shape.width, x.at(device), gain.at(device),
                              bias.at(device), y.at(device), moments.at(device)});
      rows(NormBackwardRows<BFloat16>{shape.tokens, shape.width, x.at(device), gain.at(device),
                                      moments.at(device), dy.at(device), dx.at(device),
                                      dx.at(device)});
      sums(NormSums<BFloat16>{shape.tokens,
                              shape.width,
                              x.at(device),
                              moments.at(device),
                              dy.at(device),
                              partials.at(device),
                              {dgain.at(device), dbias.at(device)}});
    });
    CHECK(y.difference() < kRounding);
    CHECK(moments.difference() < 1e-5);
    CHECK(dx.difference() < kRounding);
    CHECK(dgain.difference() < kRounding);
    CHECK(dbias.difference() < kRounding);
  }
}

TEST_CASE("CUDA biases, residuals and GELU are those of the host") {
  if (skipped()) return;
  for (const Shape& shape : kShapes) {
    const Index count = shape.tokens * shape.width;
    INFO(shape.tokens << " x " << shape.width);
    auto bias = random(shape.width, 1);
    auto residual = random(count, 2);
    auto product = random(count, 3);
    auto alone = random(count, 4);
    auto expanded = random(count, 5);
    auto activated = random(count, 6);
    auto gradient = random(count, 7);
    auto dbias = random(shape.width, 8);
    auto partials = no_floats(kSumParts * shape.width);
    on_both([&](const auto& rows, const auto& sums, bool device) {
      const Index tokens = shape.tokens;
      const Index width = shape.width;
      rows(BiasRows<BFloat16>{tokens, width, bias.at(device), residual.at(device),
                              product.at(device)});
      rows(BiasRows<BFloat16>{tokens, width, bias.at(device), nullptr, alone.at(device)});
      rows(GeluRows<BFloat16>{tokens, width, bias.at(device), expanded.at(device),
                              activated.at(device)});
      rows(GeluBackwardRows<BFloat16>{tokens, width, expanded.at(device), gradient.at(device)});
      sums(BiasSums<BFloat16>{
          tokens, width, gradient.at(device), partials.at(device), {dbias.at(device)}});
    });
    CHECK(product.difference() == 0);
    CHECK(alone.difference() == 0);
    CHECK(expanded.difference() == 0);
    CHECK(activated.difference() < kRounding);
    CHECK(gradient.difference() < kRounding);
    CHECK(dbias.difference() < kRounding);
  }
}

}  // namespace block_kernels_test
}  // namespace ashlar::nn
