// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// kernel-ptx: writes the PTX of one kernel, for scripts/kernel-counts and ptx-run; or says which
// tile is chosen.

#include "ptq/Kernels/BoundModel.h"
#include "ptq/Kernels/Compile.h"
#include "ptq/Kernels/IntegerBatchMatmul.h"
#include "ptq/Kernels/IntegerLinear.h"
#include "ptq/Kernels/PackedIntegerLinear.h"
#include "ptq/Kernels/WeightOnlyLinear.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/WithColor.h"

using namespace mlir;
using namespace ptq::kernels;
namespace cl = llvm::cl;

static cl::opt<int64_t> n("n", cl::init(4096), cl::desc("output channels"));
static cl::opt<int64_t> k("k", cl::init(4096), cl::desc("input channels"));
static cl::opt<int64_t> m("m", cl::init(4096), cl::desc("rows that a tile is chosen for"));
static cl::opt<int> bits("bits", cl::init(0), cl::desc("weight only with so many bits; 0: W8A8"));
static cl::opt<int> activationBits("activation-bits", cl::init(0),
                                   cl::desc("8 or 4: integers, with 4-bit weights"));
static cl::opt<int64_t> group("group", cl::init(0), cl::desc("inputs of a scale; 0: per channel"));
static cl::opt<int64_t> outliers("outliers", cl::init(0), cl::desc("W8A8: columns in floats"));
static cl::opt<int64_t> batch("batch", cl::init(0),
                              cl::desc("products of int8 operands of their own"));
static cl::opt<bool> zeroPoints("zero-points"), bias("bias");
static cl::opt<std::string> chipName("chip", cl::init("sm_80"));
static cl::opt<std::string> inputName("input", cl::init("f16"), cl::desc("f16 or bf16"));
static cl::opt<std::string> outputName("output", cl::init("f16"), cl::desc("f16, bf16 or f32"));
static cl::list<int64_t>
    tileShape("tile", cl::CommaSeparated,
              cl::desc("blockM,blockN,blockK,warpsM,warpsN,stages[,warpsK[,splits]]"));
static cl::opt<bool> wgmma("wgmma", cl::desc("the tile's products by wgmma (sm_90a)"));
static cl::opt<bool> explainOnly("explain", cl::desc("say which tile is chosen, and why"));

static int fail(const llvm::Twine &message) {
  llvm::WithColor::error(llvm::errs(), "kernel-ptx") << message << '\n';
  return 1;
}

int main(int argc, char **argv) {
  cl::ParseCommandLineOptions(argc, argv, "Writes the PTX of one kernel\n");
  DialectRegistry registry;
  registerKernelTranslations(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  OpBuilder b(&context);
  auto type = [&](llvm::StringRef name) -> Type {
    return name == "f32"    ? Type(b.getF32Type())
           : name == "bf16" ? Type(b.getBF16Type())
                            : b.getF16Type();
  };
  const Chip *chip = findChip(chipName);
  if (!chip)
    return fail("no chip '" + chipName + "'");

  GemmProblem problem{GemmProblem::Kind::IntegerLinear, m, n, k};
  if (activationBits) {
    problem.kind = activationBits == 4 ? GemmProblem::Kind::Int4Linear
                                       : GemmProblem::Kind::PackedIntegerLinear;
    problem.weightBits = 4;
    problem.groupSize = group;
  } else if (bits) {
    problem.kind = GemmProblem::Kind::WeightOnlyLinear;
    problem.weightBits = bits;
    problem.groupSize = group;
    problem.zeroPoints = zeroPoints;
  }
  problem.batch = std::max<int64_t>(1, batch);
  problem.outputBytes = type(outputName).getIntOrFloatBitWidth() / 8;
  std::optional<TileChoice> choice = chooseTile(*chip, problem);
  if (tileShape.size() >= 6) {
    GemmTile tile{tileShape[0], tileShape[1], tileShape[2],
                  tileShape[3], tileShape[4], tileShape[5]};
    if (tileShape.size() > 6)
      tile.warpsK = tileShape[6];
    if (tileShape.size() > 7)
      tile.splits = tileShape[7];
    tile.wgmma = wgmma;
    std::optional<Bound> given = bound(*chip, problem, tile);
    choice = given ? std::optional(TileChoice{tile, *given}) : std::nullopt;
  }
  if (!choice)
    return fail("the tile does not fit on the chip");
  if (explainOnly) {
    explain(llvm::outs(), *chip, problem, *choice);
    llvm::outs() << '\n';
    return 0;
  }

  OwningOpRef<ModuleOp> root = ModuleOp::create(b.getUnknownLoc());
  b.setInsertionPointToStart(root->getBody());
  auto module = gpu::GPUModuleOp::create(b, b.getUnknownLoc(), "kernels");
  Type biasType = bias ? Type(b.getF32Type()) : Type();
  if (bits && !activationBits) {
    WeightOnlyLinearSpec spec;
    spec.n = n;
    spec.k = k;
    spec.bits = bits;
    spec.groupSize = group;
    spec.zeroPoints = zeroPoints;
    spec.inputType = type(inputName);
    spec.scaleType = b.getF32Type();
    spec.biasType = biasType;
    spec.outputType = type(outputName);
    if (!isValidTile(spec, choice->tile))
      return fail("the kernel cannot be made with this tile");
    emitWeightOnlyLinear(module, "kernel", spec, choice->tile);
  } else if (batch) {
    IntegerBatchMatmulSpec spec;
    spec.n = n;
    spec.k = k;
    spec.leftScaleType = spec.rightScaleType = b.getF32Type();
    spec.outputType = type(outputName);
    if (!isValidTile(spec, choice->tile))
      return fail("the kernel cannot be made with this tile");
    emitIntegerBatchMatmul(module, "kernel", spec, choice->tile);
  } else {
    PackedIntegerLinearSpec spec;
    IntegerLinearSpec &linear = spec.linear;
    linear.n = n;
    linear.k = k;
    linear.inputScaleType = linear.weightScaleType = b.getF32Type();
    linear.zeroPointType = zeroPoints ? Type(b.getI8Type()) : Type();
    linear.biasType = biasType;
    linear.outputType = type(outputName);
    linear.outlierColumns = outliers;
    linear.outlierType = outliers ? type(inputName) : Type();
    spec.activationBits = activationBits;
    spec.groupSize = group;
    if (activationBits ? !isValidTile(spec, choice->tile) : !isValidTile(linear, choice->tile))
      return fail("the kernel cannot be made with this tile");
    if (activationBits)
      emitPackedIntegerLinear(module, "kernel", spec, choice->tile);
    else
      emitIntegerLinear(module, "kernel", linear, choice->tile);
  }
  if (failed(verify(*root)) || failed(lowerToNVVM(module)))
    return fail("the kernel is invalid");
  llvm::Expected<std::string> ptx = translateToPtx(module, *chip);
  if (!ptx)
    return fail(llvm::toString(ptx.takeError()));
  llvm::outs() << *ptx;
  return 0;
}
