#include "harness/record/compressed.hpp"

#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <catch2/catch.hpp>

#include "harness/record/file.hpp"
#include "harness/record/merge.hpp"
#include "harness/testing/program.hpp"

namespace ashlar::record {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;
using testing::Folder;
using testing::write_text;

/// As gzip -9n does it.
std::string gzip(const std::string& text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string packed(deflateBound(&stream, text.size()), '\0');
  std::string input = text;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int status = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  REQUIRE(status == Z_STREAM_END);
  return packed;
}

std::string case_line(int round) {
  CaseRecord record;
  record.run_id = "run-1";
  record.case_id = "00ff";
  record.round = round;
  for (int i = 0; i < 20; ++i) record.samples_ns.push_back(1000 + 7919 * round % 997 + i);
  return to_json(Record(record)).dump() + '\n';
}

/// Several times as long as any buffer.
std::string run_text() {
  RunRecord run;
  run.run_id = "run-1";
  std::string text = to_json(Record(run)).dump() + '\n';
  for (int round = 0; round < 500; ++round) text += case_line(round);
  return text;
}

/// All records of a file as they would be written.
std::string read_back(const fs::path& path) {
  std::string text;
  read_file(path, [&](Record&& record) { text += to_json(record).dump() + '\n'; });
  return text;
}

std::string error_of(const fs::path& path) {
  try {
    load({path});
  } catch (const FileError& error) {
    return error.what();
  }
  return "no error";
}

TEST_CASE("a compressed file says what it said before, whatever its name") {
  const Folder folder;
  const std::string text = run_text();
  REQUIRE(text.size() > 200'000);
  write_text(folder / "plain.jsonl", text);
  REQUIRE(read_back(folder / "plain.jsonl") == text);
  for (const char* name : {"r.jsonl.gz", "r.jsonl"}) {
    write_text(folder / name, gzip(text));
    CHECK(is_compressed(folder / name));
    CHECK(read_back(folder / name) == text);
    CHECK(load({folder / name}).warnings.empty());
  }
  write_text(folder / "plain.jsonl.gz", text);
  CHECK_FALSE(is_compressed(folder / "plain.jsonl.gz"));
  CHECK(read_back(folder / "plain.jsonl.gz") == text);
  CHECK_FALSE(is_compressed(folder / "absent.jsonl.gz"));
  // The same records twice are there once.
  const RecordSet set = load({folder / "r.jsonl.gz", folder / "plain.jsonl"});
  CHECK(set.runs.size() == 1);
  CHECK(set.cases.size() == 500);
}

TEST_CASE("compressed files joined with cat are all read") {
  const Folder folder;
  const std::string text = run_text();
  const std::size_t middle = text.size() / 2;  // amid a line
  write_text(folder / "r.jsonl.gz",
             gzip(text.substr(0, middle)) + gzip("") + gzip(text.substr(middle)) + gzip(""));
  CHECK(read_back(folder / "r.jsonl.gz") == text);
  std::string many;
  std::string lines;
  for (int round = 0; round < 500; ++round) {
    many += gzip(case_line(round));
    lines += case_line(round);
  }
  write_text(folder / "many.jsonl.gz", many);
  CHECK(read_back(folder / "many.jsonl.gz") == lines);
}

TEST_CASE("compressed data come through a pipe byte by byte") {
  const Folder folder;
  const fs::path pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const std::string text = case_line(0) + case_line(1);
  std::thread writer([packed = gzip(text), pipe] {
    const int descriptor = ::open(pipe.c_str(), O_WRONLY | O_CLOEXEC);
    bool whole = descriptor >= 0;
    for (const char byte : packed) whole = whole && ::write(descriptor, &byte, 1) == 1;
    if (descriptor >= 0) ::close(descriptor);
  });
  const std::string read = read_back(pipe);
  writer.join();
  CHECK(read == text);
  CHECK_FALSE(is_compressed(pipe));  // nobody waits for a writer there
}

TEST_CASE("compressed data that end early are an error wherever they end, not a torn line") {
  const Folder folder;
  const fs::path path = folder / "r.jsonl.gz";
  const std::string packed = gzip(case_line(0) + case_line(1));
  for (std::size_t size = 2; size < packed.size(); ++size) {
    write_text(path, packed.substr(0, size));
    REQUIRE_THAT(error_of(path), Contains("r.jsonl.gz: the compressed data end early; get"));
  }
  write_text(path, packed + packed.substr(0, 30));
  CHECK_THAT(error_of(path), Contains("the compressed data end early"));
  CHECK_THAT(error_of(path), !Contains("\n"));
}

TEST_CASE("damage to compressed data is named as that, and not as a bad line") {
  const Folder folder;
  const fs::path path = folder / "r.jsonl.gz";
  const std::string text = run_text();
  const std::string packed = gzip(text);
  const auto with_change_at = [&](std::size_t at) {
    std::string changed = packed;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    write_text(path, changed);
    return error_of(path);
  };
  CHECK_THAT(with_change_at(packed.size() - 5),
             Contains("r.jsonl.gz: the compressed data are damaged (incorrect data check); get"));
  CHECK_THAT(with_change_at(packed.size() - 1), Contains("incorrect length check"));
  CHECK_THAT(with_change_at(2), Contains("unknown compression method"));
  for (std::size_t at = 40; at < packed.size(); at += packed.size() / 50)
    CHECK_THAT(with_change_at(at), Contains("the compressed data "));
  write_text(path, packed + case_line(500));
  CHECK_THAT(error_of(path), Contains("what is not compressed follows the compressed data"));
}

TEST_CASE("inside intact compressed data lines count as in any file") {
  const Folder folder;
  const fs::path path = folder / "r.jsonl.gz";
  const std::string good = case_line(0) + case_line(1);
  write_text(path, gzip(good + "{\"schema\":1,\n" + good));
  CHECK_THAT(error_of(path), Catch::EndsWith("r.jsonl.gz:3: not a line of JSON"));
  write_text(path, gzip(good + "{\"schema\":1,"));
  RecordSet set = load({path});
  CHECK(set.cases.size() == 2);
  CHECK_THAT(set.warnings.at(0), Contains("r.jsonl.gz: the last line is torn"));
  write_text(path, gzip(good.substr(0, good.size() - 1)));  // only the newline is lost
  CHECK(load({path}).cases.size() == 2);
  for (const std::string& nothing : {gzip(""), std::string()}) {
    write_text(path, nothing);
    CHECK(load({path}).cases.empty());
    CHECK_THAT(load({path}).warnings.at(0), Contains("r.jsonl.gz: holds no records"));
  }
}

TEST_CASE("nothing is appended to a compressed file, whatever its name") {
  const Folder folder;
  const fs::path path = folder / "r.jsonl";
  const std::string packed = gzip(run_text());
  write_text(path, packed);
  CHECK_THROWS_WITH(Writer(path, Writer::Mode::append), Contains("r.jsonl is compressed"));
  CHECK(testing::read_text(path) == packed);
}

TEST_CASE("a compressed file is merged like any other") {
  const Folder folder;
  const std::string text = run_text();
  write_text(folder / "plain.jsonl", text);
  write_text(folder / "r.jsonl.gz", gzip(text));
  CHECK(merge({folder / "r.jsonl.gz"}, folder / "a.jsonl").lines == 501);
  merge({folder / "plain.jsonl"}, folder / "b.jsonl");
  CHECK(testing::read_text(folder / "a.jsonl") == testing::read_text(folder / "b.jsonl"));
}

}  // namespace
}  // namespace ashlar::record
