#include "impls/core/cuda/library.hpp"

#include <dlfcn.h>

namespace ashlar::core::cuda {

DynamicLibrary::DynamicLibrary(std::initializer_list<const char*> names) {
  std::string tried;
  for (const char* name : names) {
    handle_.reset(dlopen(name, RTLD_NOW | RTLD_LOCAL));
    if (handle_) {
      name_ = name;
      return;
    }
    tried += (tried.empty() ? "" : ", ") + std::string(name);
  }
  const char* reason = dlerror();
  throw std::runtime_error("cannot open any of " + tried +
                           (reason != nullptr ? std::string(": ") + reason : std::string()));
}

void DynamicLibrary::Close::operator()(void* handle) const { dlclose(handle); }

void* DynamicLibrary::address(const char* symbol) const {
  void* found = dlsym(handle_.get(), symbol);
  if (found == nullptr) throw std::runtime_error(name_ + " has no function " + symbol);
  return found;
}

}  // namespace ashlar::core::cuda
