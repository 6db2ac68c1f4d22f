#include "harness/run/expected_file.hpp"

#include <unistd.h>

#include <fmt/format.h>

#include "harness/run/tensor_file.hpp"

namespace ashlar::run {

void write_expected(const std::filesystem::path& path, const model::Expected& expected) {
  std::vector<model::TensorView> tensors;
  for (const model::ExpectedTensor& tensor : expected) {
    const auto count = [](const auto& list) { return static_cast<std::int64_t>(list.size()); };
    tensors.push_back({"values " + tensor.name,
                       model::ElementType::f64,
                       {count(tensor.values)},
                       const_cast<double*>(tensor.values.data())});
    tensors.push_back({"indices " + tensor.name,
                       model::ElementType::i64,
                       {count(tensor.indices)},
                       const_cast<std::int64_t*>(tensor.indices.data())});
  }
  const std::filesystem::path unfinished = path.string() + fmt::format(".{}", getpid());
  write_tensors(unfinished, tensors);
  std::filesystem::rename(unfinished, path);
}

model::Expected read_expected(const std::filesystem::path& path) {
  model::Expected expected;
  for (model::OwnedTensor& tensor : read_tensors(path)) {
    const bool values = tensor.name.starts_with("values ");
    const std::string name = tensor.name.substr(tensor.name.find(' ') + 1);
    if (values) {
      expected.push_back({name, {}, {}});
      const auto* data = reinterpret_cast<const double*>(tensor.bytes.data());
      expected.back().values.assign(data, data + tensor.view().size());
    } else {
      const auto* data = reinterpret_cast<const std::int64_t*>(tensor.bytes.data());
      expected.back().indices.assign(data, data + tensor.view().size());
    }
  }
  return expected;
}

}  // namespace ashlar::run
