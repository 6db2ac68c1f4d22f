#include <catch2/catch.hpp>

#include <cmath>
#include <cstdint>
#include <iostream>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "impls/core/cuda/allocations.hpp"
#include "impls/core/cuda/buffer.hpp"
#include "impls/core/cuda/device.hpp"
#include "impls/core/cuda/library.hpp"

namespace ashlar::core::cuda {

TEST_CASE("a library is opened by the first name that loads") {
  const DynamicLibrary library({"libdoes-not-exist.so.9", "libm.so.6"});
  CHECK(library.name() == "libm.so.6");
  CHECK(library.function<double (*)(double)>("cbrt")(27.0) == Approx(3.0));
  CHECK_THROWS_WITH(library.function<void (*)()>("no_such_function"),
                    "libm.so.6 has no function no_such_function");
}

TEST_CASE("the error names every library that was tried") {
  try {
    const DynamicLibrary library({"libfirst.so.1", "libsecond.so.2"});
    FAIL("opened " << library.name());
  } catch (const std::runtime_error& error) {
    const std::string text = error.what();
    CHECK(text.find("libfirst.so.1, libsecond.so.2") != std::string::npos);
  }
}

TEST_CASE("the device status is one of three") {
  const DeviceStatus& status = device_status();
  CHECK(status.available == status.reason.empty());
  if (!status.built) CHECK(status.reason == "not built");
  if (status.built && !status.available) CHECK(status.reason.rfind("no device", 0) == 0);
  if (status.available) {
    CHECK(status.compute_capability >= 80);
    CHECK(status.multiprocessors > 0);
    CHECK(free_memory_bytes() > 0);
  } else {
    CHECK(free_memory_bytes() == 0);
  }
}

TEST_CASE("allocations are counted with the most that was held at once") {
  const AllocationCount outer;
  detail::count_allocation(100);
  const AllocationCount inner;
  CHECK(inner.held_bytes() == 0);
  CHECK(inner.peak_bytes() == 0);
  detail::count_allocation(50);
  detail::count_allocation(-50);
  detail::count_allocation(20);
  CHECK(inner.held_bytes() == 20);
  CHECK(inner.peak_bytes() == 50);
  CHECK(outer.held_bytes() == 120);
  CHECK(outer.peak_bytes() == 150);
  detail::count_allocation(-120);
  CHECK(inner.held_bytes() == -100);
  CHECK(inner.peak_bytes() == 50);
}

TEST_CASE("a device buffer is counted as long as it lives, wherever it moves") {
  if (!device_status().available) {
    std::cout << "skipped: " << device_status().reason << "\n";
    return;
  }
  const AllocationCount count;
  {
    DeviceBuffer first(1000);
    CHECK(count.held_bytes() == 1000);
    DeviceBuffer second = std::move(first);
    DeviceBuffer third(24);
    third = std::move(second);
    CHECK(count.held_bytes() == 1024);
  }
  CHECK(count.held_bytes() == 0);
  CHECK(count.peak_bytes() == 1024);
}

TEST_CASE("a device buffer keeps what is copied in") {
  if (!device_status().available) {
    CHECK_THROWS(DeviceBuffer(16));
    std::cout << "skipped: " << device_status().reason << "\n";
    return;
  }
  std::vector<std::uint8_t> sent(1000);
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<std::uint8_t>(i * 7);
  DeviceBuffer first(1024);
  first.fill(0xff);
  first.copy_in(sent.data(), sent.size(), 8);
  const DeviceBuffer second = std::move(first);
  std::vector<std::uint8_t> received(1024);
  second.copy_out(received.data(), received.size());
  CHECK(received[7] == 0xff);
  CHECK(received[1008] == 0xff);
  CHECK(std::equal(sent.begin(), sent.end(), received.begin() + 8));
}

TEST_CASE("more than the device has is std::bad_alloc, and nothing is left behind") {
  if (!device_status().available) return;
  CHECK_THROWS_AS(DeviceBuffer(std::size_t{1} << 50), std::bad_alloc);
  CHECK_NOTHROW(DeviceBuffer(1024));
  CHECK_NOTHROW(synchronize());
}

}  // namespace ashlar::core::cuda
