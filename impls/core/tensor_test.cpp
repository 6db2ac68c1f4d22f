#include "impls/core/tensor.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <utility>

namespace ashlar::core {
namespace {

TEST_CASE("tensors are aligned, contiguous and start as zero", "[tensor]") {
  Tensor<3> tensor(DType::f32, {2, 3, 5});
  CHECK(reinterpret_cast<std::uintptr_t>(tensor.data()) % AlignedBuffer::kAlignment == 0);
  CHECK(tensor.size() == 30);
  CHECK(tensor.bytes() == 120);
  const auto view = tensor.view<float>();
  CHECK(view.strides == std::array<Index, 3>{15, 5, 1});
  for (Index i = 0; i < 30; ++i) CHECK(view.data[i] == 0.0f);
  view(1, 2, 4) = 7;
  CHECK(tensor.view<float>().data[29] == 7.0f);
}

TEST_CASE("views address by strides", "[tensor]") {
  Tensor<2> tensor(DType::i32, {3, 4});
  const auto view = tensor.view<std::int32_t>();
  for (Index i = 0; i < 12; ++i) view.data[i] = static_cast<std::int32_t>(i);
  const View<const std::int32_t, 2> transposed(view.data, {4, 3}, {1, 4});
  for (Index row = 0; row < 4; ++row) {
    for (Index column = 0; column < 3; ++column) {
      CHECK(transposed(row, column) == view(column, row));
    }
  }
}

TEST_CASE("untyped views remember their element type", "[tensor]") {
  Tensor<2> tensor(DType::bf16, {2, 2});
  const AnyView<2> any = tensor.any();
  CHECK(any.dtype == DType::bf16);
  CHECK_NOTHROW(any.as<BFloat16>());
  CHECK_THROWS_WITH(any.as<float>(), "tensor holds bf16, not f32");
  const ConstAnyView<2> constant = any;
  CHECK(constant.data == any.data);
  CHECK(constant.as<BFloat16>().shape == any.shape);
  const ConstAnyView<2> from_typed = tensor.view<BFloat16>();
  CHECK(from_typed.dtype == DType::bf16);
}

TEST_CASE("moving a tensor moves its memory", "[tensor]") {
  Tensor<1> first(DType::f64, {8});
  void* memory = first.data();
  const Tensor<1> second = std::move(first);
  CHECK(second.data() == memory);
  CHECK(second.bytes() == 64);
}

TEST_CASE("empty tensors and buffers", "[tensor]") {
  const Tensor<2> empty(DType::f32, {0, 4});
  CHECK(empty.size() == 0);
  CHECK(empty.data() == nullptr);
  CHECK(AlignedBuffer(0).bytes() == 0);
  CHECK(AlignedBuffer(3).bytes() == 3);
}

TEST_CASE("storage types know their size and name", "[tensor]") {
  CHECK(size_of(DType::f64) == 8);
  CHECK(size_of(DType::f32) == 4);
  CHECK(size_of(DType::bf16) == 2);
  CHECK(name_of(DType::f16) == "f16");
  CHECK(dtype_of<BFloat16> == DType::bf16);
}

}  // namespace
}  // namespace ashlar::core
