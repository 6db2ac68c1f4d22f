#pragma once
// Libraries opened at run time, so that a binary starts on machines that lack them.
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace ashlar::core::cuda {

/// A shared library from a list of names, the first that loads. Move-only; closes at the end.
class DynamicLibrary {
 public:
  /// Throws std::runtime_error that says what was tried and why the last name failed.
  explicit DynamicLibrary(std::initializer_list<const char*> names);

  const std::string& name() const { return name_; }

  /// The function `symbol` as type Function (a pointer type). Throws std::runtime_error when the
  /// library lacks it.
  template <class Function>
  Function function(const char* symbol) const {
    return reinterpret_cast<Function>(address(symbol));
  }

 private:
  struct Close {
    void operator()(void* handle) const;
  };
  void* address(const char* symbol) const;

  std::string name_;
  std::unique_ptr<void, Close> handle_;
};

}  // namespace ashlar::core::cuda
