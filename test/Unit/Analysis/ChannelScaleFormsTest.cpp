// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Frontends' single forms, each between layers: every float input of rank 2 or more is a layer's
// output, every vector a parameter, and a layer reads the result.

#include "ChannelScaleRun.h"

#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;
using namespace ptq;
using namespace ptq::test;

namespace {

struct Form {
  const char *file;
  ScalePlacement placement;
  const char *description;
  int64_t classes;
  double bound = 1e-5;
};

std::ostream &operator<<(std::ostream &os, const Form &form) { return os << form.file; }

class ChannelScaleForms : public ::testing::TestWithParam<Form> {};

} // namespace

static Value randomConstant(OpBuilder &builder, RankedTensorType type, StringRef key,
                            unsigned seed) {
  auto values = execution::test::randomFloats(type.getNumElements(), seed);
  std::vector<APFloat> converted;
  for (float value : values) {
    APFloat number(value);
    bool lost = false;
    number.convert(cast<FloatType>(type.getElementType()).getFloatSemantics(),
                   APFloat::rmNearestTiesToEven, &lost);
    converted.push_back(number);
  }
  auto constant = arith::ConstantOp::create(builder, builder.getUnknownLoc(),
                                            DenseElementsAttr::get(type, converted));
  constant->setAttr(kKeyAttr, builder.getStringAttr(key));
  return constant;
}

static LinearOp layer(OpBuilder &builder, Value x, int64_t out, StringRef name, unsigned seed) {
  auto type = cast<RankedTensorType>(x.getType());
  int64_t in = type.getShape().back();
  SmallVector<int64_t> shape(type.getShape());
  shape.back() = out;
  Value weight = randomConstant(builder, RankedTensorType::get({out, in}, type.getElementType()),
                                (name + ".weight").str(), seed);
  OperationState state(builder.getUnknownLoc(), LinearOp::getOperationName());
  state.addOperands({x, weight});
  state.addTypes(type.clone(shape));
  state.addAttribute("layer", builder.getStringAttr(name));
  return cast<LinearOp>(builder.create(state));
}

TEST_P(ChannelScaleForms, BetweenLayers) {
  auto file = llvm::MemoryBuffer::getFile(std::string(PTQ_TEST_FORMS) + "/" + GetParam().file);
  ASSERT_TRUE(bool(file));
  Folding fold((*file)->getBuffer().str());
  auto function = fold.program.function();
  OpBuilder builder = OpBuilder::atBlockBegin(&function.getBody().front());
  llvm::BitVector erased(function.getNumArguments());
  for (BlockArgument argument : function.getArguments()) {
    auto type = cast<RankedTensorType>(argument.getType());
    std::string name = "in" + std::to_string(argument.getArgNumber());
    if (!isa<FloatType>(type.getElementType()))
      continue;
    if (type.getRank() == 1) {
      argument.replaceAllUsesWith(
          randomConstant(builder, type, name, 40 + argument.getArgNumber()));
      erased.set(argument.getArgNumber());
      continue;
    }
    LinearOp producer =
        layer(builder, argument, type.getShape().back(), name, 50 + argument.getArgNumber());
    argument.replaceAllUsesExcept(producer.getY(), producer);
  }
  ASSERT_TRUE(succeeded(function.eraseArguments(erased)));
  Operation *end = function.getBody().front().getTerminator();
  builder.setInsertionPoint(end);
  LinearOp last = layer(builder, end->getOperand(0), 3, "last", 90);
  end->setOperands(last->getResults());
  function.setFunctionType(
      builder.getFunctionType(function.getArgumentTypes(), last->getResultTypes()));
  ASSERT_TRUE(succeeded(verify(*fold.program.module)));

  fold.groups = findScaleGroups(function);
  ScaleGroup &group = fold.group("last");
  EXPECT_EQ(toString(group.placement).str(), toString(GetParam().placement).str());
  EXPECT_EQ(group.description, GetParam().description);
  EXPECT_EQ(group.numClasses, GetParam().classes);
  EXPECT_LE(fold.error(), GetParam().bound);
}

static const ScalePlacement F = ScalePlacement::Folded, E = ScalePlacement::Explicit;

INSTANTIATE_TEST_SUITE_P(
    Files, ChannelScaleForms,
    ::testing::Values(
        Form{"layernorm_torchmlir.mlir", F,
             "folded into torch_tensor_64_torch.float32_1 and torch_tensor_64_torch.float32", 64},
        Form{"layernorm_tosa.mlir", F, "folded into in2 and in1", 64},
        Form{"layernorm_elementwise_fused.mlir", F,
             "folded into torch_tensor_64_torch.float32 and torch_tensor_64_torch.float32_1", 64},
        Form{"layernorm_varmean_f64_torchmlir.mlir", F,
             "folded into torch_tensor_64_torch.float32_1 and torch_tensor_64_torch.float32", 64},
        Form{"rmsnorm_llama_f32_torchmlir.mlir", F, "folded into torch_tensor_64_torch.float32",
             64},
        Form{"rmsnorm_llama_f16_torchmlir.mlir", F, "folded into torch_tensor_64_torch.float16", 64,
             1e-2},
        Form{"rmsnorm_elementwise_fused.mlir", F, "folded into torch_tensor_64_torch.float32", 64},
        Form{"rmsnorm_stablehlo.mlir", F, "folded into in1", 64},
        Form{"rmsnorm_tosa_buddy.mlir", F, "folded into in1", 64},
        Form{"rmsnorm_gemma_plus_one_torchmlir.mlir", F,
             "folded into torch_tensor_64_torch.float32", 64},
        Form{"act_relu_torchmlir.mlir", F, "rows of in0", 64},
        Form{"act_relu_tosa.mlir", F, "rows of in0", 64},
        Form{"act_silu_gate_torchmlir.mlir", F, "rows of in0", 64},
        Form{"act_gelu_erf_torchmlir.mlir", E,
             "explicit, because 'math.erf' does not let a scale through", 64},
        Form{"act_gelu_tanh_torchmlir.mlir", E,
             "explicit, because 'arith.addf' would have to take two different scales", 64},
        Form{"attention_linalg_softmax_iree.mlir", E,
             "explicit, because 'linalg.softmax' does not let a scale through", 8},
        Form{"attention_softmax_torchmlir.mlir", F, "rows of in2, 4 channels tied to one scale",
             16},
        Form{"kv_cache_concat.mlir", F, "rows of in0, rows of in1", 16},
        Form{"kv_cache_insert_slice.mlir", F, "rows of in0, rows of in1", 16},
        Form{"rope_insert_slice_buddy.mlir", F, "rows of in0", 16},
        Form{"rope_rotate_half_torchmlir.mlir", F, "rows of in1, rows of in2", 16}),
    [](const auto &info) { return StringRef(info.param.file).drop_back(5).str(); });
