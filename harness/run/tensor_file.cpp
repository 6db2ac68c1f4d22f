#include "harness/run/tensor_file.hpp"

#include <array>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/model/value.hpp"

namespace ashlar::run {

namespace {

using model::ElementType;
using model::Json;

constexpr std::pair<ElementType, const char*> kTypes[] = {
    {ElementType::f64, "F64"},   {ElementType::f32, "F32"}, {ElementType::f16, "F16"},
    {ElementType::bf16, "BF16"}, {ElementType::i32, "I32"}, {ElementType::i64, "I64"}};
constexpr std::uint64_t kLargestHeader = 100'000'000;

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw std::runtime_error(fmt::format("{}: {}", path.string(), what));
}

Json header_of(const std::vector<model::TensorView>& tensors) {
  Json header = Json::object();
  std::size_t offset = 0;
  for (const model::TensorView& tensor : tensors) {
    const char* type = "";
    for (const auto& [known, name] : kTypes) {
      if (known == tensor.type) type = name;
    }
    header[tensor.name] = {{"dtype", type},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + tensor.bytes()}}};
    offset += tensor.bytes();
  }
  return header;
}

model::OwnedTensor read_one(const std::filesystem::path& path, std::ifstream& file,
                            std::uint64_t data_start, const std::string& name, const Json& entry) {
  model::OwnedTensor tensor;
  tensor.name = name;
  const std::string type = entry.at("dtype");
  bool known_type = false;
  for (const auto& [known, text] : kTypes) {
    if (type == text) {
      tensor.type = known;
      known_type = true;
    }
  }
  if (!known_type) fail(path, fmt::format("tensor '{}' has the unknown type {}", name, type));
  tensor.shape = entry.at("shape").get<std::vector<std::int64_t>>();
  const auto offsets = entry.at("data_offsets").get<std::array<std::uint64_t, 2>>();
  const std::size_t bytes = tensor.view().bytes();
  if (offsets[1] < offsets[0] || offsets[1] - offsets[0] != bytes) {
    fail(path, fmt::format("tensor '{}' has {} bytes of data for a shape of {} bytes", name,
                           offsets[1] - offsets[0], bytes));
  }
  tensor.bytes.resize(bytes);
  file.seekg(static_cast<std::streamoff>(data_start + offsets[0]));
  if (bytes > 0 && !file.read(reinterpret_cast<char*>(tensor.bytes.data()),
                              static_cast<std::streamsize>(bytes))) {
    fail(path, fmt::format("ends within tensor '{}'", name));
  }
  return tensor;
}

}  // namespace

void write_tensors(const std::filesystem::path& path,
                   const std::vector<model::TensorView>& tensors) {
  std::ofstream file(path, std::ios::binary);
  std::string header = header_of(tensors).dump();
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::array<char, 8> length{};
  for (std::size_t i = 0; i < 8; ++i)
    length[i] = static_cast<char>((header.size() >> (8 * i)) & 0xff);
  file.write(length.data(), length.size());
  file.write(header.data(), static_cast<std::streamsize>(header.size()));
  for (const model::TensorView& tensor : tensors) {
    file.write(static_cast<const char*>(tensor.data), static_cast<std::streamsize>(tensor.bytes()));
  }
  file.close();
  if (!file) fail(path, std::string("cannot write tensors: ") + std::strerror(errno));
}

std::vector<model::OwnedTensor> read_tensors(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path, std::string("cannot open: ") + std::strerror(errno));
  std::array<unsigned char, 8> length_bytes{};
  if (!file.read(reinterpret_cast<char*>(length_bytes.data()), length_bytes.size()))
    fail(path, "is shorter than 8 bytes");
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < 8; ++i)
    length |= static_cast<std::uint64_t>(length_bytes[i]) << (8 * i);
  if (length > kLargestHeader) fail(path, "is not a safetensors file (header too long)");
  std::string text(length, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(length)))
    fail(path, "ends within its header");
  std::vector<model::OwnedTensor> tensors;
  try {
    const Json header = Json::parse(text);
    for (const auto& [name, entry] : header.items()) {
      if (name != "__metadata__") tensors.push_back(read_one(path, file, 8 + length, name, entry));
    }
  } catch (const nlohmann::json::exception& error) {
    fail(path, std::string("bad header: ") + error.what());
  }
  return tensors;
}

}  // namespace ashlar::run
