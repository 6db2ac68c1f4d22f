#pragma once
// Values of cuDNN 9's stable binary interface, as far as the peer uses its graphs; its headers are
// no dependency of the build. Where they are found, cudnn_interface_check.cu holds these against
// them.

namespace ashlar::flashattention2::baselines::cudnn {

enum class Status : int {
  success = 0,
  allocation_failed = 4003,
};

/// Of the elements of a tensor, and of arithmetic.
enum class Type : int {
  f32 = 0,
  f16 = 2,
  i32 = 4,
  bf16 = 9,
  boolean = 11,
};

/// Functions of elements.
enum class Pointwise : int {
  add = 0,
  multiply = 1,
  divide = 6,
  subtract = 9,
  exponential = 13,
  logarithm = 15,
  identity = 21,
  at_least = 303,
  index = 501,
  select = 601,
};

enum class Reduction : int {
  add = 0,
  max = 3,
};

/// Which configurations are proposed: the best first; whatever works.
enum class Heuristics : int {
  fallback = 2,
  a = 3,
};

/// What a descriptor describes.
enum class Object : int {
  pointwise = 0,
  engine_config = 3,
  heuristics = 4,
  execution_plan = 5,
  operation_pointwise = 13,
  operation_graph = 15,
  variant_pack = 16,
  tensor = 17,
  matmul = 18,
  operation_matmul = 19,
  reduction = 21,
  operation_reduction = 22,
  operation_reshape = 31,
  device = 38,
};

/// Of the value of an attribute.
enum class Kind : int {
  handle = 0,
  boolean = 2,
  type = 1,
  int64 = 3,
  address = 6,
  heuristics = 8,
  pointwise = 14,
  descriptor = 15,
  reduction = 18,
  int32 = 23,
  character = 24,
};

enum class Attribute : int {
  pointwise_mode = 0,
  pointwise_math_prec = 1,
  pointwise_axis = 9,
  heuristics_mode = 200,
  heuristics_operation_graph = 201,
  heuristics_results = 202,
  heuristics_device = 204,
  execution_plan_handle = 400,
  execution_plan_engine_config = 401,
  execution_plan_workspace_size = 402,
  operation_pointwise_pw_descriptor = 750,
  operation_pointwise_xdesc = 751,
  operation_pointwise_bdesc = 752,
  operation_pointwise_ydesc = 753,
  operation_pointwise_tdesc = 758,
  operation_graph_handle = 800,
  operation_graph_ops = 801,
  tensor_byte_alignment = 900,
  tensor_data_type = 901,
  tensor_dimensions = 902,
  tensor_strides = 903,
  tensor_unique_id = 906,
  tensor_is_virtual = 907,
  tensor_is_by_value = 908,
  variant_pack_unique_ids = 1000,
  variant_pack_data_pointers = 1001,
  variant_pack_workspace = 1003,
  matmul_comp_type = 1500,
  operation_matmul_adesc = 1520,
  operation_matmul_bdesc = 1521,
  operation_matmul_cdesc = 1522,
  operation_matmul_desc = 1523,
  reduction_operator = 1600,
  reduction_comp_type = 1601,
  operation_reduction_xdesc = 1610,
  operation_reduction_ydesc = 1611,
  operation_reduction_desc = 1612,
  operation_reshape_xdesc = 2200,
  operation_reshape_ydesc = 2201,
  device_json_representation = 2702,
};

}  // namespace ashlar::flashattention2::baselines::cudnn
