# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every form in test/Forms: how many layers are raised and declined, and that the stock mlir-opt reads what they lower to.

  check_forms.py QUANT_OPT MLIR_OPT FORMS
"""
import pathlib
import subprocess
import sys

# Form: (raised, declined).
EXPECTED = {
    "act_gelu_erf_torchmlir": (0, 0),
    "act_gelu_tanh_torchmlir": (0, 0),
    "act_relu_torchmlir": (0, 0),
    "act_relu_tosa": (0, 0),
    "act_silu_gate_torchmlir": (0, 0),
    "attention_linalg_softmax_iree": (0, 0),
    "attention_softmax_torchmlir": (0, 0),
    "block_bert": (6, 0),
    "block_gpt2": (4, 0),
    "block_llama": (7, 0),
    "const_dense_hex": (0, 0),
    "const_func_args": (1, 0),
    "const_ml_program_global": (1, 0),
    "embedding_gather_torchmlir": (0, 0),
    "kv_cache_concat": (0, 0),
    "kv_cache_insert_slice": (0, 0),
    "layernorm_elementwise_fused": (0, 0),
    "layernorm_torchmlir": (0, 0),
    "layernorm_tosa": (0, 0),
    "layernorm_varmean_f64_torchmlir": (0, 0),
    "linear_2d_addmm_generic_transpose_torchmlir": (1, 0),
    "linear_2d_bias_torchmlir": (1, 0),
    "linear_3d_bcast_bmm_torchmlir": (1, 0),
    "linear_3d_shared_fill_torchmlir": (2, 0),
    "linear_3d_view_mm_dynseq_torchmlir": (1, 0),
    "linear_3d_view_mm_torchmlir": (1, 0),
    "linear_bf16_accbf16_torchmlir": (1, 0),
    "linear_bias_as_init": (1, 0),
    "linear_bmm_bcast_maps": (1, 0),
    "linear_bmm_transb_maps": (0, 0),
    "linear_const_init_buddy": (1, 0),
    "linear_conv1d_gpt2_torchmlir": (1, 0),
    "linear_dequant_grouped_iree": (1, 0),
    "linear_dot_general_stablehlo": (1, 0),
    "linear_f16_accf32_torchmlir": (1, 0),
    "linear_generalized_iree": (1, 0),
    "linear_matmul_transb_maps": (1, 0),
    "linear_quantized_matmul_torchmlir": (0, 1),
    "linear_vecmat_torchmlir": (1, 0),
    "lm_head_tied_embedding_torchmlir": (1, 0),
    "loc_names": (1, 0),
    "rmsnorm_elementwise_fused": (0, 0),
    "rmsnorm_gemma_plus_one_torchmlir": (0, 0),
    "rmsnorm_llama_f16_torchmlir": (0, 0),
    "rmsnorm_llama_f32_torchmlir": (0, 0),
    "rmsnorm_stablehlo": (0, 0),
    "rmsnorm_tosa_buddy": (0, 0),
    "rope_insert_slice_buddy": (0, 0),
    "rope_rotate_half_torchmlir": (0, 0),
}


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)


def check(quant_opt, mlir_opt, form):
    raised = run(quant_opt, form, "--raise-linear")
    if raised.returncode:
        return [raised.stderr]
    found = (raised.stdout.count("ptq.linear "), raised.stderr.count("not raised: "))
    problems = [] if found == EXPECTED[form.stem] else [
        f"raised and declined {found}, expected {EXPECTED[form.stem]}\n{raised.stderr}"]
    lowered = run(quant_opt, form, "--raise-linear", "--ptq-to-linalg")
    read = run(*mlir_opt, "-", input=lowered.stdout)
    if lowered.returncode or read.returncode or not read.stdout:
        problems.append(f"does not lower to upstream dialects: {lowered.stderr}{read.stderr}")
    return problems


def main():
    quant_opt, *mlir_opt, folder = sys.argv[1:]
    forms = sorted(pathlib.Path(folder).glob("*.mlir"))
    problems = [f"{form.stem}: {problem}" for form in forms if form.stem in EXPECTED
                for problem in check(quant_opt, mlir_opt, form)]
    names = {form.stem for form in forms}
    problems += [f"{name}: not in the table" for name in sorted(names - set(EXPECTED))]
    problems += [f"{name}: in the table, but there is no such file" for name in sorted(set(EXPECTED) - names)]
    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(forms)} forms")


if __name__ == "__main__":
    main()
