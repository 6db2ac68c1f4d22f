// Names of machines.
#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "harness/machine/environment.hpp"

namespace ashlar::machine {
namespace {

/// A range of models of one family.
struct Generation {
  std::string_view vendor;
  int family;
  int first_model;
  int last_model;
  std::string_view name;
};

// From the vendors' lists of processor families (AMD's revision guides, Intel's CPUID tables).
constexpr std::array kGenerations{
    Generation{"AuthenticAMD", 0x17, 0x00, 0x2f, "zen"},
    Generation{"AuthenticAMD", 0x17, 0x30, 0xff, "zen2"},
    Generation{"AuthenticAMD", 0x19, 0x00, 0x0f, "zen3"},
    Generation{"AuthenticAMD", 0x19, 0x10, 0x1f, "zen4"},
    Generation{"AuthenticAMD", 0x19, 0x20, 0x5f, "zen3"},
    Generation{"AuthenticAMD", 0x19, 0x60, 0xaf, "zen4"},
    Generation{"AuthenticAMD", 0x1a, 0x00, 0xff, "zen5"},
    Generation{"GenuineIntel", 6, 0x3c, 0x3c, "haswell"},
    Generation{"GenuineIntel", 6, 0x3f, 0x3f, "haswell"},
    Generation{"GenuineIntel", 6, 0x45, 0x46, "haswell"},
    Generation{"GenuineIntel", 6, 0x3d, 0x3d, "broadwell"},
    Generation{"GenuineIntel", 6, 0x47, 0x47, "broadwell"},
    Generation{"GenuineIntel", 6, 0x4f, 0x4f, "broadwell"},
    Generation{"GenuineIntel", 6, 0x56, 0x56, "broadwell"},
    Generation{"GenuineIntel", 6, 0x4e, 0x4e, "skylake"},
    Generation{"GenuineIntel", 6, 0x5e, 0x5e, "skylake"},
    Generation{"GenuineIntel", 6, 0x8e, 0x8e, "skylake"},
    Generation{"GenuineIntel", 6, 0x9e, 0x9e, "skylake"},
    Generation{"GenuineIntel", 6, 0x55, 0x55, "skylakex"},
    Generation{"GenuineIntel", 6, 0x6a, 0x6a, "icelake"},
    Generation{"GenuineIntel", 6, 0x6c, 0x6c, "icelake"},
    Generation{"GenuineIntel", 6, 0x7e, 0x7e, "icelake"},
    Generation{"GenuineIntel", 6, 0x8c, 0x8d, "tigerlake"},
    Generation{"GenuineIntel", 6, 0x8f, 0x8f, "sapphirerapids"},
    Generation{"GenuineIntel", 6, 0xcf, 0xcf, "emeraldrapids"},
    Generation{"GenuineIntel", 6, 0xad, 0xae, "graniterapids"},
    Generation{"GenuineIntel", 6, 0x97, 0x97, "alderlake"},
    Generation{"GenuineIntel", 6, 0x9a, 0x9a, "alderlake"},
    Generation{"GenuineIntel", 6, 0xb7, 0xb7, "raptorlake"},
    Generation{"GenuineIntel", 6, 0xba, 0xba, "raptorlake"},
    Generation{"GenuineIntel", 6, 0xbf, 0xbf, "raptorlake"},
};

/// Words of letters and digits, in lower case; what brackets hold ("(R)", "(TM)") is left out.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  int depth = 0;
  for (const char letter : text) {
    depth += letter == '(' ? 1 : 0;
    const bool inside = depth > 0;
    if (letter == ')' && depth > 0) --depth;
    if (!inside && std::isalnum(static_cast<unsigned char>(letter)) != 0) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    } else if (!word.empty()) {
      words.push_back(word);
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

/// The words of a model name that tell models apart: no vendor, no clock rate, no core count.
std::vector<std::string> model_words(std::string_view model_name) {
  const auto core_count = model_name.find("-Core");
  if (core_count != std::string_view::npos) {
    model_name = model_name.substr(0, model_name.rfind(' ', core_count));
  }
  model_name = model_name.substr(0, model_name.find(" @"));
  model_name = model_name.substr(0, model_name.find(" with "));
  std::vector<std::string> words = words_of(model_name);
  constexpr std::array<std::string_view, 8> kEmpty{"amd", "intel",   "cpu",  "processor",
                                                   "gen", "genuine", "core", "virtual"};
  std::erase_if(words, [&](const std::string& word) {
    return std::ranges::find(kEmpty, word) != kEmpty.end();
  });
  return words;
}

std::string vendor_name(const std::string& vendor) {
  if (vendor == "AuthenticAMD") return "amd";
  if (vendor == "GenuineIntel") return "intel";
  std::string joined;
  for (const std::string& word : words_of(vendor)) joined += word;
  return joined;
}

std::string text_of(const Json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

void append(std::string& id, const std::string& part) {
  if (part.empty()) return;
  if (!id.empty()) id += '-';
  id += part;
}

}  // namespace

std::optional<std::string> microarchitecture(const CpuInfo& cpu) {
  if (!cpu.vendor || !cpu.family || !cpu.model) return std::nullopt;
  for (const Generation& generation : kGenerations) {
    if (*cpu.vendor == generation.vendor && *cpu.family == generation.family &&
        *cpu.model >= generation.first_model && *cpu.model <= generation.last_model) {
      return std::string(generation.name);
    }
  }
  return std::nullopt;
}

std::string machine_id(const Json& environment) {
  const Json cpu = environment.value("cpu", Json::object());
  std::string id;
  append(id, vendor_name(text_of(cpu, "vendor")));
  for (const std::string& word : model_words(text_of(cpu, "model_name"))) append(id, word);
  append(id, text_of(cpu, "microarchitecture"));
  if (id.empty()) id = "unknown";
  const Json cores = cpu.value("cores", Json());
  const Json logical = cpu.value("logical", Json());
  if (cores.is_number_integer()) {
    append(id, std::to_string(cores.get<int>()) + 'c');
  } else if (logical.is_number_integer()) {
    append(id, std::to_string(logical.get<int>()) + 't');
  }
  const Json gpu = environment.value("gpu", Json());
  const bool several = gpu.is_array();
  const std::string name = several && !gpu.empty() ? text_of(gpu[0], "name") : text_of(gpu, "name");
  for (const std::string& word : words_of(name)) append(id, word);
  if (several && gpu.size() > 1 && !name.empty()) id += 'x' + std::to_string(gpu.size());
  return id;
}

}  // namespace ashlar::machine
