#include "suites/suites.hpp"

#include "suites/bcd/suite.hpp"
#include "suites/flashattention2/suite.hpp"

namespace ashlar::suites {

model::Registry all() {
  model::Registry registry;
  registry.push_back(flashattention2::suite::make());
  registry.push_back(bcd::suite::make());
  return registry;
}

}  // namespace ashlar::suites
