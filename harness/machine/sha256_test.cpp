#include "harness/machine/sha256.hpp"

#include <catch2/catch.hpp>
#include <fstream>

namespace ashlar::machine {
namespace {

TEST_CASE("SHA-256 gives the digests of FIPS 180-4") {
  CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256(std::string(1000000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("SHA-256 does not depend on how the message is cut") {
  const std::string message(300, 'x');
  const auto* bytes = reinterpret_cast<const unsigned char*>(message.data());
  for (const std::size_t piece : {1U, 7U, 63U, 64U, 65U, 200U}) {
    Sha256 hash;
    for (std::size_t at = 0; at < message.size(); at += piece) {
      hash.update({bytes + at, std::min(piece, message.size() - at)});
    }
    CHECK(hash.finish() == sha256(message));
  }
}

TEST_CASE("SHA-256 of files") {
  const auto path = std::filesystem::temp_directory_path() / "ashlar_sha256_test";
  std::ofstream(path, std::ios::binary) << "abc";
  CHECK(sha256_of_file(path) == sha256("abc"));
  std::filesystem::remove(path);
  CHECK_FALSE(sha256_of_file(path).has_value());
}

}  // namespace
}  // namespace ashlar::machine
