#include "harness/machine/matmul.hpp"

namespace ashlar::machine {

std::optional<std::string> onednn_version() { return std::nullopt; }

std::optional<Sgemm> make_sgemm(int /*threads*/) { return std::nullopt; }

}  // namespace ashlar::machine
