#pragma once
// For tests: the ways through code that has kernels for several instruction sets.
#include <string>
#include <vector>

#include "impls/core/dtype.hpp"
#include "impls/core/simd.hpp"

namespace ashlar::flashattention2::testing {

struct Path {
  core::DType dtype;
  core::Isa isa;
};

/// Every (storage type, instruction set) pair that runs here; `isas` names those of one type.
inline std::vector<Path> paths_of(std::vector<core::Isa> (*isas)(core::DType)) {
  std::vector<Path> all;
  for (const core::DType dtype : {core::DType::f32, core::DType::bf16, core::DType::f16}) {
    for (const core::Isa isa : isas(dtype)) all.push_back({dtype, isa});
  }
  return all;
}

inline std::string describe(const Path& path) {
  return std::string(name_of(path.dtype)) + " on " + std::string(name_of(path.isa));
}

}  // namespace ashlar::flashattention2::testing
