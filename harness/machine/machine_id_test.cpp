#include <catch2/catch.hpp>

#include "harness/machine/environment.hpp"

namespace ashlar::machine {
namespace {

Json environment(const char* vendor, const char* model, const char* generation, int cores) {
  return {{"cpu",
           {{"vendor", vendor},
            {"model_name", model},
            {"microarchitecture", generation == nullptr ? Json(nullptr) : Json(generation)},
            {"cores", cores},
            {"logical", 2 * cores}}},
          {"gpu", nullptr}};
}

TEST_CASE("machines are named by vendor, model, generation and cores") {
  CHECK(machine_id(environment("AuthenticAMD", "AMD EPYC", "zen4", 2)) == "amd-epyc-zen4-2c");
  CHECK(machine_id(environment("AuthenticAMD", "AMD EPYC 9654 96-Core Processor", "zen4", 96)) ==
        "amd-epyc-9654-zen4-96c");
  CHECK(machine_id(environment("AuthenticAMD", "AMD Ryzen 9 7950X 16-Core Processor", nullptr,
                               16)) == "amd-ryzen-9-7950x-16c");
  CHECK(machine_id(environment("GenuineIntel", "Intel(R) Xeon(R) Platinum 8480+", "sapphirerapids",
                               56)) == "intel-xeon-platinum-8480-sapphirerapids-56c");
  CHECK(machine_id(environment("GenuineIntel", "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz",
                               "broadwell", 14)) == "intel-xeon-e5-2680-v4-broadwell-14c");
  CHECK(machine_id(environment("GenuineIntel", "Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz",
                               "skylake", 4)) == "intel-i7-8550u-skylake-4c");
}

TEST_CASE("a GPU is part of the name") {
  Json with = environment("AuthenticAMD", "AMD EPYC", "zen4", 16);
  with["gpu"] = {{"name", "NVIDIA H100 80GB HBM3"}};
  CHECK(machine_id(with) == "amd-epyc-zen4-16c-nvidia-h100-80gb-hbm3");
  with["gpu"] = Json::array({{{"name", "NVIDIA H200"}}, {{"name", "NVIDIA H200"}}});
  CHECK(machine_id(with) == "amd-epyc-zen4-16c-nvidia-h200x2");
  with["gpu"] = Json::array();
  CHECK(machine_id(with) == "amd-epyc-zen4-16c");
}

TEST_CASE("machines that say little have names too") {
  CHECK(machine_id(Json::object()) == "unknown");
  Json arm = environment("", "", nullptr, 4);
  arm["cpu"]["vendor"] = nullptr;
  arm["cpu"]["model_name"] = nullptr;
  CHECK(machine_id(arm) == "unknown-4c");
  arm["cpu"]["cores"] = nullptr;
  CHECK(machine_id(arm) == "unknown-8t");
}

TEST_CASE("names are fit for folders") {
  const std::string id =
      machine_id(environment("../Weird Vendor", "A/B\\C: $(rm) \"x\" caf\xc3\xa9", nullptr, 1));
  CHECK(id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos);
}

TEST_CASE("generations by family and model") {
  const auto generation = [](const char* vendor, int family, int model) {
    CpuInfo cpu;
    cpu.vendor = vendor;
    cpu.family = family;
    cpu.model = model;
    return microarchitecture(cpu);
  };
  CHECK(generation("AuthenticAMD", 25, 17) == "zen4");
  CHECK(generation("AuthenticAMD", 25, 1) == "zen3");
  CHECK(generation("AuthenticAMD", 25, 0xa0) == "zen4");
  CHECK(generation("AuthenticAMD", 26, 2) == "zen5");
  CHECK(generation("AuthenticAMD", 23, 49) == "zen2");
  CHECK(generation("GenuineIntel", 6, 143) == "sapphirerapids");
  CHECK(generation("GenuineIntel", 6, 85) == "skylakex");
  CHECK_FALSE(generation("GenuineIntel", 6, 1).has_value());
  CHECK_FALSE(microarchitecture({}).has_value());
}

}  // namespace
}  // namespace ashlar::machine
