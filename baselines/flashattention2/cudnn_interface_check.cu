// That cudnn_interface.hpp says what cuDNN's headers say.
#include <cudnn_graph.h>

#include "baselines/flashattention2/cudnn_interface.hpp"

namespace ashlar::flashattention2::baselines::cudnn {
namespace {

constexpr bool same(auto own, auto theirs) {
  return sizeof own == sizeof theirs && static_cast<int>(own) == static_cast<int>(theirs);
}

static_assert(same(Status::success, CUDNN_STATUS_SUCCESS));
static_assert(same(Status::allocation_failed, CUDNN_STATUS_ALLOC_FAILED));
static_assert(same(Type::f32, CUDNN_DATA_FLOAT));
static_assert(same(Type::f16, CUDNN_DATA_HALF));
static_assert(same(Type::i32, CUDNN_DATA_INT32));
static_assert(same(Type::bf16, CUDNN_DATA_BFLOAT16));
static_assert(same(Type::boolean, CUDNN_DATA_BOOLEAN));
static_assert(same(Pointwise::add, CUDNN_POINTWISE_ADD));
static_assert(same(Pointwise::multiply, CUDNN_POINTWISE_MUL));
static_assert(same(Pointwise::divide, CUDNN_POINTWISE_DIV));
static_assert(same(Pointwise::subtract, CUDNN_POINTWISE_SUB));
static_assert(same(Pointwise::exponential, CUDNN_POINTWISE_EXP));
static_assert(same(Pointwise::logarithm, CUDNN_POINTWISE_LOG));
static_assert(same(Pointwise::identity, CUDNN_POINTWISE_IDENTITY));
static_assert(same(Pointwise::at_least, CUDNN_POINTWISE_CMP_GE));
static_assert(same(Pointwise::index, CUDNN_POINTWISE_GEN_INDEX));
static_assert(same(Pointwise::select, CUDNN_POINTWISE_BINARY_SELECT));
static_assert(same(Reduction::add, CUDNN_REDUCE_TENSOR_ADD));
static_assert(same(Reduction::max, CUDNN_REDUCE_TENSOR_MAX));
static_assert(same(Heuristics::fallback, CUDNN_HEUR_MODE_FALLBACK));
static_assert(same(Heuristics::a, CUDNN_HEUR_MODE_A));
static_assert(same(Object::pointwise, CUDNN_BACKEND_POINTWISE_DESCRIPTOR));
static_assert(same(Object::engine_config, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR));
static_assert(same(Object::heuristics, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR));
static_assert(same(Object::execution_plan, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR));
static_assert(same(Object::operation_pointwise, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR));
static_assert(same(Object::operation_graph, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR));
static_assert(same(Object::tensor, CUDNN_BACKEND_TENSOR_DESCRIPTOR));
static_assert(same(Object::matmul, CUDNN_BACKEND_MATMUL_DESCRIPTOR));
static_assert(same(Object::operation_matmul, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR));
static_assert(same(Object::reduction, CUDNN_BACKEND_REDUCTION_DESCRIPTOR));
static_assert(same(Object::operation_reduction, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR));
static_assert(same(Object::operation_reshape, CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR));
static_assert(same(Object::device, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR));
static_assert(same(Kind::boolean, CUDNN_TYPE_BOOLEAN));
static_assert(same(Kind::type, CUDNN_TYPE_DATA_TYPE));
static_assert(same(Kind::int64, CUDNN_TYPE_INT64));
static_assert(same(Kind::address, CUDNN_TYPE_VOID_PTR));
static_assert(same(Kind::heuristics, CUDNN_TYPE_HEUR_MODE));
static_assert(same(Kind::pointwise, CUDNN_TYPE_POINTWISE_MODE));
static_assert(same(Kind::descriptor, CUDNN_TYPE_BACKEND_DESCRIPTOR));
static_assert(same(Kind::reduction, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE));
static_assert(same(Kind::int32, CUDNN_TYPE_INT32));
static_assert(same(Kind::character, CUDNN_TYPE_CHAR));
static_assert(same(Attribute::pointwise_mode, CUDNN_ATTR_POINTWISE_MODE));
static_assert(same(Attribute::pointwise_math_prec, CUDNN_ATTR_POINTWISE_MATH_PREC));
static_assert(same(Attribute::pointwise_axis, CUDNN_ATTR_POINTWISE_AXIS));
static_assert(same(Attribute::heuristics_mode, CUDNN_ATTR_ENGINEHEUR_MODE));
static_assert(same(Attribute::heuristics_operation_graph, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH));
static_assert(same(Attribute::heuristics_results, CUDNN_ATTR_ENGINEHEUR_RESULTS));
static_assert(same(Attribute::heuristics_device, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP));
static_assert(same(Attribute::execution_plan_engine_config,
                   CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG));
static_assert(same(Attribute::execution_plan_handle, CUDNN_ATTR_EXECUTION_PLAN_HANDLE));
static_assert(same(Attribute::operation_graph_handle, CUDNN_ATTR_OPERATIONGRAPH_HANDLE));
static_assert(same(Kind::handle, CUDNN_TYPE_HANDLE));
static_assert(same(Attribute::operation_pointwise_pw_descriptor,
                   CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR));
static_assert(same(Attribute::operation_pointwise_xdesc, CUDNN_ATTR_OPERATION_POINTWISE_XDESC));
static_assert(same(Attribute::operation_pointwise_bdesc, CUDNN_ATTR_OPERATION_POINTWISE_BDESC));
static_assert(same(Attribute::operation_pointwise_ydesc, CUDNN_ATTR_OPERATION_POINTWISE_YDESC));
static_assert(same(Attribute::operation_pointwise_tdesc, CUDNN_ATTR_OPERATION_POINTWISE_TDESC));
static_assert(same(Attribute::operation_graph_ops, CUDNN_ATTR_OPERATIONGRAPH_OPS));
static_assert(same(Attribute::tensor_byte_alignment, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT));
static_assert(same(Attribute::tensor_data_type, CUDNN_ATTR_TENSOR_DATA_TYPE));
static_assert(same(Attribute::tensor_dimensions, CUDNN_ATTR_TENSOR_DIMENSIONS));
static_assert(same(Attribute::tensor_strides, CUDNN_ATTR_TENSOR_STRIDES));
static_assert(same(Attribute::tensor_unique_id, CUDNN_ATTR_TENSOR_UNIQUE_ID));
static_assert(same(Attribute::tensor_is_virtual, CUDNN_ATTR_TENSOR_IS_VIRTUAL));
static_assert(same(Attribute::tensor_is_by_value, CUDNN_ATTR_TENSOR_IS_BY_VALUE));
static_assert(same(Attribute::matmul_comp_type, CUDNN_ATTR_MATMUL_COMP_TYPE));
static_assert(same(Attribute::operation_matmul_adesc, CUDNN_ATTR_OPERATION_MATMUL_ADESC));
static_assert(same(Attribute::operation_matmul_bdesc, CUDNN_ATTR_OPERATION_MATMUL_BDESC));
static_assert(same(Attribute::operation_matmul_cdesc, CUDNN_ATTR_OPERATION_MATMUL_CDESC));
static_assert(same(Attribute::operation_matmul_desc, CUDNN_ATTR_OPERATION_MATMUL_DESC));
static_assert(same(Attribute::reduction_operator, CUDNN_ATTR_REDUCTION_OPERATOR));
static_assert(same(Attribute::reduction_comp_type, CUDNN_ATTR_REDUCTION_COMP_TYPE));
static_assert(same(Attribute::operation_reduction_xdesc, CUDNN_ATTR_OPERATION_REDUCTION_XDESC));
static_assert(same(Attribute::operation_reduction_ydesc, CUDNN_ATTR_OPERATION_REDUCTION_YDESC));
static_assert(same(Attribute::operation_reduction_desc, CUDNN_ATTR_OPERATION_REDUCTION_DESC));
static_assert(same(Attribute::operation_reshape_xdesc, CUDNN_ATTR_OPERATION_RESHAPE_XDESC));
static_assert(same(Attribute::operation_reshape_ydesc, CUDNN_ATTR_OPERATION_RESHAPE_YDESC));
static_assert(same(Attribute::device_json_representation,
                   CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION));
static_assert(same(Object::variant_pack, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR));
static_assert(same(Attribute::execution_plan_workspace_size,
                   CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
static_assert(same(Attribute::variant_pack_unique_ids, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS));
static_assert(same(Attribute::variant_pack_data_pointers, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS));
static_assert(same(Attribute::variant_pack_workspace, CUDNN_ATTR_VARIANT_PACK_WORKSPACE));

}  // namespace
}  // namespace ashlar::flashattention2::baselines::cudnn
