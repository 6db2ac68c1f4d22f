#include "harness/model/value.hpp"

#include <catch2/catch.hpp>

#include "harness/model/tensor.hpp"

using namespace ashlar::model;

TEST_CASE("a value reads back what it writes, with its type") {
  for (const Value& value : {Value(true), Value(false), Value(0), Value(-12), Value(0.5),
                             Value(3.0), Value(1e-9), Value("bf16"), Value("x=y")}) {
    CHECK(Value::parse(value.text()) == value);
    CHECK(Value::parse(value.text()).is_real() == value.is_real());
    CHECK(Value::from_json(value.to_json()) == value);
  }
  CHECK(Value(3.0).text() == "3.0");
  CHECK(Value(2) == Value(2.0));
  CHECK(Value(9) < Value(10));
}

TEST_CASE("a value of the wrong type says which two types") {
  CHECK_THROWS_WITH(Value("bf16").as_integer(),
                    Catch::Contains("bf16") && Catch::Contains("an integer"));
  CHECK_THROWS_WITH(Value(true).number(), Catch::Contains("a number"));
  CHECK_THROWS_AS(Value::from_json(Json::array()), std::invalid_argument);
}

TEST_CASE("a point keeps its axes in order and names what it lacks") {
  Point point({{"seqlen", 128}, {"causal", true}});
  CHECK(point.text() == "seqlen=128,causal=true");
  CHECK(point.integer("seqlen") == 128);
  CHECK_THROWS_WITH(point.at("heads"), Catch::Contains("heads"));
  CHECK(Point::from_json(point.to_json()) == point);
  point.set("seqlen", 256);
  CHECK(point.text() == "seqlen=256,causal=true");
}

TEST_CASE("the hash is FNV-1a") {
  // Published test vectors of the 64-bit FNV-1a.
  CHECK(stable_hash("") == 0xcbf29ce484222325ull);
  CHECK(stable_hash("a") == 0xaf63dc4c8601ec8cull);
  CHECK(stable_hash("foobar") == 0x85944171f73967e8ull);
  CHECK(hex(0xaf) == "00000000000000af");
}

TEST_CASE("suggestions name a near word, or list the known ones") {
  CHECK(suggestion("seqln", {"seqlen", "causal"}) == "; did you mean 'seqlen'?");
  CHECK(suggestion("zzzzzz", {"seqlen", "causal"}) == "; known: seqlen, causal");
  CHECK(suggestion("x", {}).empty());
}

TEST_CASE("tensor elements widen to double from every type") {
  const std::uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x7c00};  // 1, -2, 2^-24, infinity
  const TensorView f16{"h", ElementType::f16, {4}, const_cast<std::uint16_t*>(halves)};
  CHECK(f16.value(0) == 1.0);
  CHECK(f16.value(1) == -2.0);
  CHECK(f16.value(2) == 0x1p-24);
  CHECK(std::isinf(f16.value(3)));
  const std::uint16_t brain[] = {0x3f80, 0xc040};  // 1, -3
  const TensorView bf16{"b", ElementType::bf16, {2}, const_cast<std::uint16_t*>(brain)};
  CHECK(bf16.value(0) == 1.0);
  CHECK(bf16.value(1) == -3.0);
}

TEST_CASE("poison is NaN in every floating-point type") {
  for (const ElementType type :
       {ElementType::f64, ElementType::f32, ElementType::f16, ElementType::bf16}) {
    OwnedTensor tensor{"t", type, {3}, std::vector<std::byte>(3 * size_of(type))};
    const TensorView view = tensor.view();
    poison(view);
    for (std::int64_t i = 0; i < 3; ++i) CHECK(std::isnan(view.value(i)));
  }
  CHECK_THROWS_WITH(element_type("bf61"), Catch::Contains("bf16"));
}
