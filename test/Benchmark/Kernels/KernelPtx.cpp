// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// kernel-ptx: writes the PTX of one kernel, for scripts/kernel-counts and ptx-run; or counts what
// it executes in the emulator; or says which tile is chosen.

#include "ptq/Emulator/Device.h"
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
static cl::opt<bool>
    emulated("emulate", cl::desc("instead of PTX: what a tile executes in the emulator, JSON"));
static cl::opt<bool> explainOnly("explain", cl::desc("say which tile is chosen, and why"));

static int fail(const llvm::Twine &message) {
  llvm::WithColor::error(llvm::errs(), "kernel-ptx") << message << '\n';
  return 1;
}

/// What all blocks of one tile of the product execute: {"instructions": …, "mma": …}, of warps
/// (wgmma: one of each warp). Operands are zeros.
static llvm::Expected<llvm::json::Value> emulate(const std::string &ptx, TypeRange types,
                                                 const GemmTile &tile, int64_t shared) {
  std::unique_ptr<ptq::emulator::Device> device = ptq::emulator::createEmulator({});
  auto loaded = device->load(ptx, "kernel.ptx");
  if (!loaded)
    return loaded.takeError();
  // Room for any of them: a batch's weight, and float32s of rows of the operand, the output or
  // sums.
  int64_t products = std::max<int64_t>(1, batch);
  int64_t bytes =
      products * (n * k + 4 * tile.blockM * std::max(n, k)) + Workspace::sumBytesPerTile(tile);
  std::vector<std::vector<char>> arguments;
  for (Type type : types) {
    if (type.isInteger(32)) {
      arguments.push_back(ptq::emulator::argument(static_cast<int32_t>(tile.blockM)));
      continue;
    }
    llvm::Expected<uint64_t> address = device->allocate(bytes);
    if (!address)
      return address.takeError();
    if (llvm::Error error = device->fill(*address, bytes, 0))
      return std::move(error);
    arguments.push_back(ptq::emulator::argument(*address));
  }
  ptq::emulator::LaunchConfig config;
  config.grid.x = tile.blocks(tile.blockM, tile.blockN);
  config.grid.y = products;
  config.block.x = tile.threads();
  config.dynamicShared = shared;
  auto result = device->launch(**loaded, "kernel", config, arguments);
  if (!result)
    return result.takeError();
  for (const ptq::emulator::Finding &finding : result->findings)
    return llvm::createStringError(ptq::emulator::describe(finding));
  int64_t mma = 0;
  for (const auto &[opcode, counters] : result->counters->opcodes)
    if (llvm::StringRef(opcode).starts_with("mma.") ||
        llvm::StringRef(opcode).starts_with("wgmma.mma_async"))
      mma += counters.instructions;
  return llvm::json::Object{
      {"instructions", static_cast<int64_t>(result->counters->total.instructions)}, {"mma", mma}};
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
  gpu::GPUFuncOp function;
  int64_t shared = 0;
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
    function = emitWeightOnlyLinear(module, "kernel", spec, choice->tile);
    shared = sharedBytes(spec, choice->tile);
  } else if (batch) {
    IntegerBatchMatmulSpec spec;
    spec.n = n;
    spec.k = k;
    spec.leftScaleType = spec.rightScaleType = b.getF32Type();
    spec.outputType = type(outputName);
    if (!isValidTile(spec, choice->tile))
      return fail("the kernel cannot be made with this tile");
    function = emitIntegerBatchMatmul(module, "kernel", spec, choice->tile);
    shared = sharedBytes(spec, choice->tile);
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
    function = activationBits ? emitPackedIntegerLinear(module, "kernel", spec, choice->tile)
                              : emitIntegerLinear(module, "kernel", linear, choice->tile);
    shared = activationBits ? sharedBytes(spec, choice->tile) : sharedBytes(linear, choice->tile);
  }
  SmallVector<Type> types(function.getArgumentTypes());
  if (failed(verify(*root)) || failed(lowerToNVVM(module)))
    return fail("the kernel is invalid");
  llvm::Expected<std::string> ptx = translateToPtx(module, *chip);
  if (!ptx)
    return fail(llvm::toString(ptx.takeError()));
  if (!emulated) {
    llvm::outs() << *ptx;
    return 0;
  }
  llvm::Expected<llvm::json::Value> counts = emulate(*ptx, types, choice->tile, shared);
  if (!counts)
    return fail(llvm::toString(counts.takeError()));
  llvm::outs() << *counts << '\n';
  return 0;
}
