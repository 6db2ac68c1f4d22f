#include "harness/cli/command.hpp"
#include "suites/suites.hpp"

int main(int argc, char** argv) { return ashlar::cli::dispatch(argc, argv, ashlar::suites::all()); }
