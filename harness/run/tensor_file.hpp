#pragma once
// Tensors in safetensors files: how problems and answers travel between workers of different
// languages. Format: 8 bytes little-endian length, a JSON header {name: {dtype, shape,
// data_offsets}}, then the data.
#include <filesystem>
#include <vector>

#include "harness/model/tensor.hpp"

namespace ashlar::run {

/// Throws std::runtime_error naming the file.
void write_tensors(const std::filesystem::path& path,
                   const std::vector<model::TensorView>& tensors);
/// Throws std::runtime_error naming the file and the fault (truncated, bad header, unknown type).
std::vector<model::OwnedTensor> read_tensors(const std::filesystem::path& path);

}  // namespace ashlar::run
