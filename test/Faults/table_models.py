# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Unusual numbers, shapes, programs and options, and disks that refuse. Right results are executed and compared."""
import math
import subprocess

from inputs import linear, samples, statistics, wave, weight
from row import Row

BIND = "quant-opt m.mlir --load-parameters=file=w.safetensors "
CALIBRATE = BIND + '--calibrate="data=x.safetensors" '


def close(tolerance):
    """The quantized model's output differs from the float one's by at most `tolerance` of its greatest value."""
    def check(folder, tools):
        def outputs(model):
            subprocess.run([tools["quant-run"], model, "--parameters=w.safetensors", "--inputs=x.safetensors", "--outputs=o.safetensors"],
                           cwd=folder, check=True, capture_output=True)
            data = (folder / "o.safetensors").read_bytes()
            start = 8 + int.from_bytes(data[:8], "little")
            return memoryview(data[start:]).cast("f")
        assert "ptq.scheme" in (folder / "out.mlir").read_text(), "the layer is quantized"
        reference, quantized = list(outputs("m.mlir")), list(outputs("out.mlir"))
        assert len(reference) == len(quantized) and all(map(math.isfinite, quantized)), "outputs are finite"
        error = max((abs(a - b) for a, b in zip(reference, quantized)), default=0)
        assert error <= tolerance * max(map(abs, reference), default=1), f"output error {error}"
    return check


def exists(folder, tools):
    assert (folder / "out.mlir").stat().st_size > 0


def weights(name, passes, values, tolerance=None, error=None, width=8, command=BIND):
    files = {"m.mlir": linear(width=width), "w.safetensors": weight(values, width=width), "x.safetensors": samples(width=width)}
    return Row(f"numbers/{name}", command + passes + " -o out.mlir", files, error=error, check=None if error else close(tolerance))


def with_value(value, at=19, count=64):
    values = wave(count)
    values[at] = value
    return values


def inputs_of(channels):
    """Samples of which channel j is channels(j, i) in row i."""
    return samples([channels(i % 8, i // 8) for i in range(3 * 4 * 8)])


NAN, INFINITE = float("nan"), float("inf")
GPTQ = '--gptq="bits=8 group-size=4 damp=0.01"'
NUMBERS = [
    weights(f"{name}-weight-{method}", passes, with_value(value), error="(NaN|nan|infinit|inf|not finite)", command=CALIBRATE)
    for name, value in (("NaN", NAN), ("infinite", INFINITE), ("minus-infinite", -INFINITE))
    for method, passes in (("rtn", '--rtn="group-size=4"'), ("gptq", GPTQ), ("awq", '--awq="group-size=4"'), ("smoothquant", "--smoothquant"))
] + [
    Row("numbers/NaN-sample", CALIBRATE + "-o out.mlir", {"x.safetensors": samples(with_value(NAN, count=96))}, error="channel 3"),
    Row("numbers/infinite-sample", CALIBRATE + "-o out.mlir", {"x.safetensors": samples(with_value(INFINITE, count=96))}, error="channel 3"),
    Row("numbers/no-samples", CALIBRATE + "-o out.mlir", {"x.safetensors": samples([], count=0)}, error="holds no samples"),
    Row("numbers/zero-tokens", BIND + '--load-statistics=file=s.safetensors --smoothquant --rtn="bits=8 group-size=-1" -o out.mlir',
        {"s.safetensors": statistics(tokens=0)}, error="token count is 0"),
    Row("numbers/constant-channels", CALIBRATE + GPTQ + " -o out.mlir", {"x.safetensors": inputs_of(lambda j, i: 1.0)}, check=close(0.02)),
    Row("numbers/dead-channels", CALIBRATE + GPTQ + " -o out.mlir", {"x.safetensors": inputs_of(lambda j, i: 0.0 if j < 5 else wave(12)[i])}, check=close(0.02)),
    Row("numbers/all-zero-samples", CALIBRATE + GPTQ + " -o out.mlir", {"x.safetensors": samples([0.0] * 96)}, check=close(0)),
    Row("numbers/all-zero-samples-awq", CALIBRATE + '--awq="group-size=4" --rtn="group-size=4" -o out.mlir', {"x.safetensors": samples([0.0] * 96)}, check=close(0)),
    Row("numbers/all-zero-samples-smoothquant", CALIBRATE + '--smoothquant --rtn="bits=8 group-size=-1 activations=per-token" -o out.mlir', {"x.safetensors": samples([0.0] * 96)}, check=close(0)),
    Row("numbers/singular-Gram-no-damping", CALIBRATE + '--gptq="bits=8 group-size=4 damp=0" -o out.mlir', {"x.safetensors": inputs_of(lambda j, i: wave(12)[i])}, check=close(0.05)),
    weights("zero-weight", '--rtn="group-size=4"', [0.0] * 64, 0),
    weights("zero-groups", '--rtn="bits=8 group-size=4"', [v if i % 8 < 4 else 0.0 for i, v in enumerate(wave(64))], 0.02),
    weights("zero-groups-gptq", GPTQ, [v if i % 8 < 4 else 0.0 for i, v in enumerate(wave(64))], 0.02, command=CALIBRATE),
    weights("zero-groups-asymmetric", '--rtn="bits=8 group-size=4 symmetric=false"', [v if i % 8 < 4 else 0.0 for i, v in enumerate(wave(64))], 0.02),
    weights("zero-weight-int8", '--rtn="bits=8 group-size=-1 activations=per-token"', [0.0] * 64, 0),
    weights("subnormal-weight", '--rtn="bits=8 group-size=4"', [v * 1e-41 for v in wave(64)], 1.01),
    weights("greatest-weights", '--rtn="bits=8 group-size=4"', [v * 1e37 for v in wave(64)], 0.02),
    weights("width-1", '--rtn="bits=8 group-size=-1"', wave(8), 0.02, width=1),
    weights("width-1-gptq", '--gptq="bits=8 group-size=-1"', wave(8), 0.02, width=1, command=CALIBRATE),
    weights("width-1-awq", '--awq="group-size=1" --rtn="bits=8 group-size=1"', wave(8), 0.05, width=1, command=CALIBRATE),
] + [
    weights(f"width-{prime}-{name}", f'{passes}="bits=8 group-size=-1"', wave(8 * prime), 0.03, width=prime, command=CALIBRATE)
    for prime in (7, 13, 127) for name, passes in (("rtn", "--rtn"), ("gptq", "--gptq"))
] + [
    weights("width-13-int4", '--rtn="bits=4 group-size=-1"', wave(8 * 13), 0.2, width=13),
    weights("width-13-group-4", '--rtn="bits=4 group-size=4"', wave(8 * 13), error="group size 4 does not divide the width 13", width=13),
]


def model(name, text, passes="--raise-linear --rtn=group-size=8", error=None):
    return Row(f"programs/{name}", f"quant-opt m.mlir {passes} -o out.mlir", {"m.mlir": text}, error=error, check=None if error else exists)


DENSE = "dense<0.5>"
PROGRAMS = [
    model("empty-file", "", "--raise-linear"),
    model("empty-module", "module {}", "--raise-linear"),
    model("empty-function", "func.func @main() { return }", "--raise-linear"),
    model("declarations-only", "func.func private @main(tensor<4x8xf32>) -> tensor<4x8xf32>", "--raise-linear"),
    model("external-call", linear(weight=DENSE, extra="  func.call @outside(%x) : (tensor<4x8xf32>) -> ()\n") + "func.func private @outside(tensor<4x8xf32>)\n"),
    Row("programs/external-call-is-not-run", "quant-run m.mlir --inputs=x.safetensors --outputs=out.safetensors",
        {"m.mlir": linear(weight=DENSE, extra="  func.call @outside(%x) : (tensor<4x8xf32>) -> ()\n") + "func.func private @outside(tensor<4x8xf32>)\n"}, error="calls are not executed; inline"),
    Row("programs/endless-recursion", "quant-run m.mlir --inputs=x.safetensors --outputs=out.safetensors",
        {"m.mlir": "func.func @main(%x: tensor<4x8xf32> {ptq.input = \"x\"}) -> tensor<4x8xf32> {\n  %0 = func.call @main(%x) : (tensor<4x8xf32>) -> tensor<4x8xf32>\n  return %0 : tensor<4x8xf32>\n}\n"}, error="calls are not executed"),
    model("scf-if", """func.func @main(%x: tensor<4x8xf32>, %c: i1) -> tensor<4x8xf32> {
  %w = arith.constant dense<0.5> : tensor<8x8xf32>
  %r = scf.if %c -> tensor<4x8xf32> {
    %0 = ptq.linear %x, %w {layer = "fc"} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
    scf.yield %0 : tensor<4x8xf32>
  } else {
    scf.yield %x : tensor<4x8xf32>
  }
  return %r : tensor<4x8xf32>
}"""),
    model("scf-for", """func.func @main(%x: tensor<4x8xf32>, %n: index) -> tensor<4x8xf32> {
  %w = arith.constant dense<0.5> : tensor<8x8xf32>
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> tensor<4x8xf32> {
    %0 = ptq.linear %a, %w {layer = "fc"} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
    scf.yield %0 : tensor<4x8xf32>
  }
  return %r : tensor<4x8xf32>
}"""),
    model("cf-br", """func.func @main(%x: tensor<4x8xf32>, %c: i1) -> tensor<4x8xf32> {
  %w = arith.constant dense<0.5> : tensor<8x8xf32>
  cf.cond_br %c, ^bb1, ^bb2(%x : tensor<4x8xf32>)
^bb1:
  %0 = ptq.linear %x, %w {layer = "fc"} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  cf.br ^bb2(%0 : tensor<4x8xf32>)
^bb2(%r: tensor<4x8xf32>):
  return %r : tensor<4x8xf32>
}"""),
    model("cf-loop", "func.func @main(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {\n  cf.br ^bb1\n^bb1:\n  cf.br ^bb1\n}", "--raise-linear"),
    Row("programs/parameter-missing", "quant-run m.mlir --inputs=x.safetensors --outputs=out.safetensors", error="parameter 'fc.weight' is missing"),
    Row("programs/input-missing", "quant-run m.mlir --parameters=w.safetensors --outputs=out.safetensors", error="'x'"),
    Row("programs/input-shape", "quant-run m.mlir --parameters=w.safetensors --inputs=x.safetensors --outputs=out.safetensors", {"x.safetensors": samples(width=7)}, error="'x'"),
    Row("programs/parameter-twice", "quant-opt m.mlir --load-parameters=file=w.safetensors -o out.mlir",
        {"m.mlir": 'func.func @main(%a: tensor<8x8xf32> {ptq.parameter = "fc.weight"}, %b: tensor<8x8xf32> {ptq.parameter = "fc.weight"}) -> (tensor<8x8xf32>, tensor<8x8xf32>) {\n  return %a, %b : tensor<8x8xf32>, tensor<8x8xf32>\n}'}, check=exists),
    model("syntax", "func.func @main(", error="m.mlir:1:"),
    model("unknown-dialect", "func.func @main() { foo.bar return }", error="m.mlir:1:"),
    model("binary-rubbish", b"ML\xefR\x0d\xff\xff\xff\xff\xff", error="m.mlir"),
    model("weight-without-elements", linear(weight="dense<>", out=0), "--rtn=group-size=-1", error="cannot quantize an empty weight \\(0 x 8\\)"),
    model("zero-rows", linear(rows=0, weight=DENSE)),
    model("weight-of-1-TB", 'func.func @main(%x: tensor<4x524288xf32>) -> tensor<4x524288xf32> {\n  %w = arith.constant {ptq.key = "fc.weight"} dense<0.5> : tensor<524288x524288xf32>\n  %0 = ptq.linear %x, %w {layer = "fc"} : (tensor<4x524288xf32>, tensor<524288x524288xf32>) -> tensor<4x524288xf32>\n  %1 = math.tanh %0 : tensor<4x524288xf32>\n  return %1 : tensor<4x524288xf32>\n}',
          "--rtn=group-size=128", error="its 274877906944 elements are more than this machine's memory holds"),
    model("scheme-of-17-bits", linear(weight=DENSE, attribute=", weight_scheme = #ptq.scheme<bits = 17, symmetric, per_channel>"), error="m.mlir:"),
]


def option(name, passes, error, command=CALIBRATE):
    return Row(f"options/{name}", command + passes + " -o out.mlir", error=error)


OPTIONS = [
    option("group-size-0", '--rtn="group-size=0"', "group.size"),
    option("group-size-minus-7", '--rtn="group-size=-7"', "group.size"),
    option("group-size-huge", '--rtn="group-size=9223372036854775807"', "group size 9223372036854775807 does not divide"),
    option("group-size-text", '--rtn="group-size=many"', "group-size"),
    option("bits-99", '--rtn="bits=99 group-size=8"', "99"),
    option("bits-0", '--rtn="bits=0 group-size=8"', "0 bits"),
    option("bits-1", '--gptq="bits=1 group-size=8"', "1 bits"),
    option("bits-minus-1", '--rtn="bits=-1 group-size=8"', "bits"),
    option("damping-NaN", '--gptq="damp=nan group-size=8"', "damp"),
    option("damping-negative", '--gptq="damp=-1 group-size=8"', "damp"),
    option("damping-infinite", '--gptq="damp=inf group-size=8"', "damp"),
    option("outliers-200-percent", '--gptq="outliers=200% group-size=8"', "outliers"),
    option("outliers-NaN", '--gptq="outliers=nan group-size=8"', "outliers"),
    option("alpha-NaN", '--smoothquant="alpha=nan"', "alpha is a number"),
    option("grid-0", '--awq="grid=0 group-size=8"', "grid"),
    option("grid-4-billion", '--awq="grid=4294967295 group-size=8"', "grid"),
    option("average-bits-NaN", '--mixed-precision="average-bits=nan group-size=8"', "average-bits"),
    option("sensitivity-samples-minus-1", '--mixed-precision="average-bits=4 group-size=8 sensitivity-samples=-1"', "sensitivity-samples"),
    option("threshold-NaN", '--llm-int8="threshold=nan"', "threshold"),
    option("samples-minus-1", '--calibrate="data=x.safetensors max-samples=-1"', "max-samples is a count", BIND),
    option("unknown", '--rtn="colour=red"', "colour", BIND),
    Row("options/run-samples-minus-1", "quant-run m.mlir --parameters=w.safetensors --inputs=x.safetensors --max-samples=-1 --outputs=out.safetensors", error="max-samples"),
    Row("options/unknown-device", "quant-run m.mlir --parameters=w.safetensors --inputs=x.safetensors --device=abacus --outputs=out.safetensors", error="abacus"),
    Row("options/shard-of-0-bytes", BIND + '--rtn="group-size=8" --save-checkpoint="dir=out from=hf max-shard-bytes=0"', {"hf/config.json": "{}", "hf/model.safetensors": weight()}, error="max-shard-bytes"),
]


def full(name, command):
    """Writes to /dev/full, where every write finds the disk full."""
    return Row(f"disks/{name}", command, error="No space left on device")


def missing(name, command):
    return Row(f"disks/{name}", command, error="No such file or directory.*check that the folder exists")


DISKS = [
    full("full-model", BIND + "-o /dev/full"),
    full("full-stdout", BIND),
    full("full-bytecode", BIND + "--emit-bytecode -o /dev/full"),
    full("full-parameters", BIND + "--rtn=group-size=8 --save-parameters=file=/dev/full -o out.mlir"),
    full("full-statistics", BIND + '--calibrate="data=x.safetensors save=/dev/full" -o out.mlir'),
    full("full-outputs", "quant-run m.mlir --parameters=w.safetensors --inputs=x.safetensors --outputs=/dev/full"),
    full("full-results", "quant-run m.mlir --parameters=w.safetensors --inputs=x.safetensors --json=/dev/full"),
    missing("no-folder-model", BIND + "-o none/out.mlir"),
    missing("no-folder-parameters", BIND + "--rtn=group-size=8 --save-parameters=file=none/w.safetensors -o out.mlir"),
    missing("no-folder-statistics", BIND + '--calibrate="data=x.safetensors save=none/s.safetensors" -o out.mlir'),
    missing("no-folder-report", BIND + "--rtn=group-size=8 --write-report=file=none/r.json -o out.mlir"),
    missing("no-folder-outputs", "quant-run m.mlir --parameters=w.safetensors --inputs=x.safetensors --outputs=none/o.safetensors"),
    Row("disks/folder-as-output", BIND + "-o folder", {"folder": None}, error="it is a folder; name a file in it"),
    Row("disks/folder-as-model", "quant-opt folder --raise-linear -o out.mlir", {"folder": None}, error="(Is a directory|is a folder)"),
    Row("disks/model-missing", "quant-opt none.mlir -o out.mlir", error="No such file"),
    Row("disks/folder-as-checkpoint", BIND + "--rtn=group-size=8 --save-checkpoint=\"dir=old from=hf\"", {"hf/config.json": "{}", "hf/model.safetensors": weight(), "old/file": "kept"}, error="it exists and is not empty"),
]
ROWS = NUMBERS + PROGRAMS + OPTIONS + DISKS
