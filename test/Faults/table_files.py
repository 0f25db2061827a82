# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Bad files: safetensors headers, indexes, statistics, plans, quantization_configs, and what is no file."""
import json

from inputs import entry, index, raw, samples, statistics, weight
from row import Row

LOAD = "quant-opt m.mlir --load-parameters=file=w.safetensors -o out.mlir"
GOOD = weight()
HEADER_END = 8 + int.from_bytes(GOOD[:8], "little")


def load(name, content, error):
    return Row(f"safetensors/{name}", LOAD, {"w.safetensors": content}, error=error)


def one(dtype="F32", shape=(8, 8), begin=0, end=256, body=bytes(256), name="fc.weight"):
    return raw({name: entry(dtype, list(shape), begin, end)}, body)


SAFETENSORS = [
    load(f"cut-at-byte-{size}", GOOD[:size], r"w\.safetensors': .*(cut off|belong to no tensor)")
    for size in (0, 1, 7, 8, 9, HEADER_END - 1, HEADER_END, HEADER_END + 1, len(GOOD) - 1)
] + [
    load("one-byte-more", GOOD + b"x", "belong to no tensor"),
    load("length-2-to-the-63", raw(b"{}", length=1 << 63), "byte 0 gives the header's length as 9223372036854775808"),
    load("length-2-to-the-64-less-1", raw(b"{}", length=(1 << 64) - 1), "over the format's limit"),
    load("length-99-MB-in-a-small-file", raw(b"{}", length=99_000_000), "but the file ends at byte 10"),
    load("overlapping", raw({"a": entry("U8", [4], 0, 4), "b": entry("U8", [4], 2, 6)}, bytes(6)), "'b'.* overlap those of tensor 'a'"),
    load("hole", raw({"a": entry("U8", [1], 0, 1), "b": entry("U8", [1], 5, 6)}, bytes(6)), "leave a hole of 4 bytes"),
    load("offsets-past-the-end", one(end=1 << 40), "pass the end of the file"),
    load("claims-1-TB", one(shape=(1 << 19, 1 << 19), end=1 << 40), "pass the end of the file"),
    load("offsets-reversed", one(begin=256, end=0), "end before they begin"),
    load("offsets-negative", one(begin=-1), "data_offsets"),
    load("offsets-of-2-to-the-64", one(end=1 << 64), "data_offsets"),
    load("offsets-missing", raw({"fc.weight": {"dtype": "F32", "shape": [8, 8]}}, bytes(256)), "has no data_offsets"),
    load("shape-overflows", one(shape=(1 << 62, 4)), "2\\^63 or more"),
    load("shape-negative", one(shape=(-8, -8)), "is not an integer from 0"),
    load("shape-float", raw(b'{"fc.weight":{"dtype":"F32","shape":[8.5,8],"data_offsets":[0,256]}}', bytes(256)), "is not an integer from 0"),
    load("size-disagrees", one(shape=(8, 7)), "which is not the size of \\[8x7\\] F32"),
    load("dtype-unknown", one(dtype="F4"), "its dtype 'F4' is not known"),
    load("dtype-not-a-string", raw({"fc.weight": {"dtype": 5, "shape": [1], "data_offsets": [0, 1]}}, b"x"), "has no dtype"),
    load("dtype-of-another-width", one(dtype="F64", end=512, body=bytes(512)), "wrong type: 'fc.weight' is F64"),
    load("shape-of-another-model", one(shape=(4, 16)), "wrong shape: 'fc.weight' is F32 \\[4, 16\\]"),
    load("name-twice", raw(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', b"xy"), "twice"),
    load("name-not-UTF-8", raw(b'{"\xff\xfe":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x"), "UTF-8"),
    load("name-missing", one(name="gate.weight"), "missing: 'fc.weight'"),
    load("header-not-JSON", raw(b"not json"), "invalid JSON"),
    load("header-a-list", raw(b"[]"), "not a"),
    load("header-empty", raw(b""), "JSON"),
    load("header-nested-100000-deep", raw(b"[" * 100_000), "nests deeper than 64"),
    load("metadata-not-strings", raw({"__metadata__": {"a": 1}}), "which is not a string"),
    load("a-folder", None, "(not a regular file|directory)"),
    Row("safetensors/missing", "quant-opt m.mlir --load-parameters=file=none.safetensors -o out.mlir", error="none.safetensors': cannot open: No such file"),
    Row("safetensors/a-device", "quant-opt m.mlir --load-parameters=file=/dev/zero -o out.mlir", error="not a regular file"),
    Row("safetensors/given-twice", "quant-opt m.mlir --load-parameters=file=w.safetensors,w.safetensors -o out.mlir", error="is also in"),
    Row("safetensors/samples-cut", "quant-run m.mlir --parameters=w.safetensors --inputs=x.safetensors --outputs=out.safetensors", {"x.safetensors": samples()[:-1]}, error="x.safetensors': .*cut off"),
    Row("safetensors/reference-cut", "quant-run m.mlir --parameters=w.safetensors --inputs=x.safetensors --reference=r.safetensors", {"r.safetensors": samples()[:9]}, error="r.safetensors': .*cut off"),
]


def indexed(name, content, error, **files):
    return Row(f"index/{name}", "quant-opt m.mlir --load-parameters=file=in/w.index.json -o out.mlir",
               {"in/w.index.json": content, "secret.safetensors": GOOD, **files}, error=error)


INDEX = [
    indexed("parent", index(fc__weight="../secret.safetensors"), "not a relative path inside"),
    indexed("parent-further-in", index(fc__weight="a/../../secret.safetensors"), "not a relative path inside"),
    indexed("passwd", index(fc__weight="../../../../../../etc/passwd"), "not a relative path inside"),
    indexed("absolute", index(fc__weight="/etc/passwd"), "not a relative path inside"),
    indexed("empty-name", index(fc__weight=""), "not a relative path inside"),
    indexed("zero-in-name", index(fc__weight="a\0b"), "not a relative path inside"),
    indexed("the-folder", index(fc__weight="."), "(not a regular file|directory)"),
    indexed("shard-missing", index(fc__weight="a.safetensors"), "is missing"),
    indexed("shard-a-number", json.dumps({"weight_map": {"fc.weight": 1}}), "is not a string"),
    indexed("tensor-not-in-shard", index(other="a.safetensors"), "is not in shard", **{"in/a.safetensors": GOOD}),
    indexed("no-weight-map", "{}", "no object 'weight_map'"),
    indexed("not-JSON", "{", "the index is damaged"),
    indexed("not-UTF-8", b'{"weight_map":{"\xff":"a"}}', "UTF-8"),
    indexed("empty", "", "the index is damaged"),
    indexed("nested-100000-deep", '{"weight_map":' * 100_000, "nests deeper than 64"),
    indexed("key-twice", '{"weight_map":{"a":"x","a":"y"}}', "twice"),
]


def stats(name, content, error):
    return Row(f"statistics/{name}", "quant-opt m.mlir --load-parameters=file=w.safetensors --load-statistics=file=s.safetensors --smoothquant -o out.mlir",
               {"s.safetensors": content}, error=error)


STATISTICS = [
    stats("empty", b"", "cut off"),
    stats("no-records", weight(), "holds no statistics"),
    stats("NaN", statistics(absmax=[float("nan")] + [1.0] * 7), "absmax of channel 0 is nan"),
    stats("infinite", statistics(mean=[float("inf")] + [1.0] * 7), "of channel 0 is inf"),
    stats("negative", statistics(absmax=[-1.0] * 8), "not a finite magnitude"),
    stats("tokens-negative", statistics(tokens=-5), "token count is -5"),
    stats("sizes-disagree", statistics(mean=[1.0] * 7), "mean_abs' is not F32 \\[8\\]"),
    stats("Gram-not-square", statistics(gram=[8, 4]), "gram' is not F32 \\[8x8\\]"),
    stats("shared-not-JSON", statistics(shared="{"), "metadata 'shared' is damaged"),
    stats("shared-with-nobody", statistics(shared='{"up": "nobody"}'), "which is not in the file"),
    stats("another-models-width", statistics(width=4), "(is of another model|4)"),
]


def plan(name, content, error):
    return Row(f"plan/{name}", "quant-opt m.mlir --load-parameters=file=w.safetensors --mixed-precision=plan=p.yaml --rtn=group-size=8 -o out.mlir",
               {"p.yaml": content}, error=error)


PLAN = [
    plan("empty", "", "p.yaml:1"),
    plan("not-a-list", "bits: 4\n", "p.yaml:"),
    plan("unknown-key", "- name: fc\n  bits: 4\n  bit: 4\n", "unknown key 'bit'"),
    plan("regular-expression", "- name: '('\n  bits: 4\n", "no regular expression"),
    plan("bits-99", "- name: fc\n  bits: 99\n", "bits is 2 to 8, not 99"),
    plan("bits-4294967300", "- name: fc\n  bits: 4294967300\n", "number"),
    plan("group-size-0", "- name: fc\n  bits: 4\n  group-size: 0\n", "not 0"),
    plan("NUL", b"- name: \0\n", "p.yaml:"),
    plan("nested-20000-deep", "[" * 20_000, "p.yaml"),
    plan("a-folder", None, "nor a readable file: Is a directory"),
]

CONFIG = {"quant_method": "gptq", "bits": 4, "group_size": 8, "sym": True, "desc_act": False}


def folder(name, error, config=None, text=None, **changes):
    content = text if text is not None else json.dumps({"quantization_config": config or {**CONFIG, **changes}})
    return Row(f"config/{name}", "quant-opt m.mlir --load-checkpoint=dir=hf -o out.mlir",
               {"hf/config.json": content, "hf/model.safetensors": GOOD}, error=error)


CONFIGS = [
    folder("method-unknown", "'quant_method magic' is not supported", quant_method="magic"),
    folder("method-a-number", "'quant_method' must be a string", quant_method=4),
    folder("bits-99", "'bits' must be an integer from 2 to 8", bits=99),
    folder("bits-1e30", "'bits' must be an integer from 2 to 8", bits=1e30),
    folder("group-size-0", "'group_size' must be a positive integer", group_size=0),
    folder("group-size-of-2-to-the-64", "'group_size' must be a positive integer", group_size=1 << 64),
    folder("no-object", "is not an object", config=[1]),
    folder("not-JSON", "JSON", text="{"),
    folder("empty", "JSON", text=""),
    folder("a-list", "not a JSON object", text="[]"),
    folder("nested-100000-deep", "nests deeper than 64", text="[" * 100_000),
    folder("fp8", "'quant_method fp8' is not supported", config={"quant_method": "fp8"}),
    Row("config/no-folder", "quant-opt m.mlir --load-checkpoint=dir=none -o out.mlir", error="none.config.json': No such file"),
    Row("config/a-file", "quant-opt m.mlir --load-checkpoint=dir=w.safetensors -o out.mlir", error="Not a directory"),
]

ROWS = SAFETENSORS + INDEX + STATISTICS + PLAN + CONFIGS
