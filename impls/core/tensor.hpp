#pragma once
// Tensors: a view says where elements lie (shape and strides in elements), a Tensor owns aligned
// memory. `View<T, Rank>` is what methods compute on; `AnyView` carries its element type as data
// and is what interfaces take when one function serves several storage types.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "impls/core/aligned_buffer.hpp"
#include "impls/core/dtype.hpp"

namespace ashlar::core {

using Index = std::int64_t;

/// Row-major strides, in elements.
template <std::size_t Rank>
constexpr std::array<Index, Rank> contiguous_strides(const std::array<Index, Rank>& shape) {
  std::array<Index, Rank> strides{};
  Index step = 1;
  for (std::size_t axis = Rank; axis-- > 0;) {
    strides[axis] = step;
    step *= shape[axis];
  }
  return strides;
}

template <std::size_t Rank>
constexpr Index element_count(const std::array<Index, Rank>& shape) {
  Index count = 1;
  for (const Index extent : shape) count *= extent;
  return count;
}

template <class T, std::size_t Rank>
struct View {
  T* data = nullptr;
  std::array<Index, Rank> shape{};
  std::array<Index, Rank> strides{};  // in elements

  View() = default;
  View(T* data_in, const std::array<Index, Rank>& shape_in,
       const std::array<Index, Rank>& strides_in)
      : data(data_in), shape(shape_in), strides(strides_in) {}
  View(T* data_in, const std::array<Index, Rank>& shape_in)
      : View(data_in, shape_in, contiguous_strides(shape_in)) {}

  operator View<const T, Rank>() const requires(!std::is_const_v<T>) {
    return {data, shape, strides};
  }

  template <class... Indices>
  T& operator()(Indices... indices) const {
    static_assert(sizeof...(Indices) == Rank);
    const std::array<Index, Rank> at{static_cast<Index>(indices)...};
    Index offset = 0;
    for (std::size_t axis = 0; axis < Rank; ++axis) offset += at[axis] * strides[axis];
    return data[offset];
  }
  Index size() const { return element_count(shape); }
};

/// A view whose element type is data. `Void` is void or const void.
template <class Void, std::size_t Rank>
struct BasicAnyView {
  Void* data = nullptr;
  DType dtype = DType::f32;
  std::array<Index, Rank> shape{};
  std::array<Index, Rank> strides{};  // in elements

  BasicAnyView() = default;
  BasicAnyView(Void* data_in, DType dtype_in, const std::array<Index, Rank>& shape_in,
               const std::array<Index, Rank>& strides_in)
      : data(data_in), dtype(dtype_in), shape(shape_in), strides(strides_in) {}
  BasicAnyView(Void* data_in, DType dtype_in, const std::array<Index, Rank>& shape_in)
      : BasicAnyView(data_in, dtype_in, shape_in, contiguous_strides(shape_in)) {}
  template <class T>
  BasicAnyView(const View<T, Rank>& view)
      : BasicAnyView(view.data, dtype_of<std::remove_const_t<T>>, view.shape, view.strides) {}
  template <class Other>  // a template, as a copy constructor would deprecate the implicit
                          // assignment
  requires(std::is_const_v<Void>&& std::is_void_v<Other> && !std::is_const_v<Other>)
      BasicAnyView(const BasicAnyView<Other, Rank>& other)
      : BasicAnyView(other.data, other.dtype, other.shape, other.strides) {}

  /// The typed view; throws std::invalid_argument when the element type differs.
  template <class T>
  auto as() const {
    using Element = std::conditional_t<std::is_const_v<Void>, const T, T>;
    if (dtype != dtype_of<T>) {
      throw std::invalid_argument("tensor holds " + std::string(name_of(dtype)) + ", not " +
                                  std::string(name_of(dtype_of<T>)));
    }
    return View<Element, Rank>{static_cast<Element*>(data), shape, strides};
  }
  Index size() const { return element_count(shape); }
};

template <std::size_t Rank>
using AnyView = BasicAnyView<void, Rank>;
template <std::size_t Rank>
using ConstAnyView = BasicAnyView<const void, Rank>;

/// A contiguous tensor that owns its memory, aligned to 64 bytes; the elements start as zero.
template <std::size_t Rank>
class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, const std::array<Index, Rank>& shape)
      : dtype_(dtype),
        shape_(shape),
        buffer_(static_cast<std::size_t>(element_count(shape)) * size_of(dtype)) {}

  DType dtype() const { return dtype_; }
  const std::array<Index, Rank>& shape() const { return shape_; }
  Index size() const { return element_count(shape_); }
  std::size_t bytes() const { return buffer_.bytes(); }
  void* data() { return buffer_.data(); }
  const void* data() const { return buffer_.data(); }
  AnyView<Rank> any() { return {buffer_.data(), dtype_, shape_}; }
  ConstAnyView<Rank> any() const { return {buffer_.data(), dtype_, shape_}; }
  template <class T>
  View<T, Rank> view() {
    return any().template as<T>();
  }
  template <class T>
  View<const T, Rank> view() const {
    return any().template as<T>();
  }

 private:
  DType dtype_ = DType::f32;
  std::array<Index, Rank> shape_{};
  AlignedBuffer buffer_;
};

}  // namespace ashlar::core
