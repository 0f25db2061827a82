// Every format: write, read, write gives the same bytes, and the same integers in every one.
//
// RUN: rm -rf %t && mkdir %t && %python %S/Inputs/float_folder.py %t/float
// RUN: quant-opt %s --load-parameters=file=%t/float/model.safetensors --rtn="bits=4 group-size=32 symmetric=true only=fc" --save-checkpoint="format=compressed-tensors dir=%t/compressed-tensors from=%t/float scale-type=f16" -o %t/x.mlir
// RUN: quant-opt %s --load-checkpoint=dir=%t/compressed-tensors --save-checkpoint="format=compressed-tensors dir=%t/compressed-tensors.again from=%t/compressed-tensors scale-type=f16 lossless" -o %t/x.mlir
// RUN: diff -r %t/compressed-tensors %t/compressed-tensors.again
// RUN: quant-opt %s --load-parameters=file=%t/float/model.safetensors --rtn="bits=4 group-size=32 symmetric=true only=fc" --save-checkpoint="format=gptq dir=%t/gptq from=%t/float scale-type=f16" -o %t/x.mlir
// RUN: quant-opt %s --load-checkpoint=dir=%t/gptq --save-checkpoint="format=gptq dir=%t/gptq.again from=%t/gptq scale-type=f16 lossless" -o %t/x.mlir
// RUN: diff -r %t/gptq %t/gptq.again
// RUN: quant-opt %s --load-parameters=file=%t/float/model.safetensors --rtn="bits=4 group-size=32 symmetric=true only=fc" --save-checkpoint="format=gptq_v2 dir=%t/gptq_v2 from=%t/float scale-type=f16" -o %t/x.mlir
// RUN: quant-opt %s --load-checkpoint=dir=%t/gptq_v2 --save-checkpoint="format=gptq_v2 dir=%t/gptq_v2.again from=%t/gptq_v2 scale-type=f16 lossless" -o %t/x.mlir
// RUN: diff -r %t/gptq_v2 %t/gptq_v2.again
// RUN: quant-opt %s --load-parameters=file=%t/float/model.safetensors --rtn="bits=4 group-size=32 symmetric=true only=fc" --save-checkpoint="format=awq dir=%t/awq from=%t/float scale-type=f16" -o %t/x.mlir
// RUN: quant-opt %s --load-checkpoint=dir=%t/awq --save-checkpoint="format=awq dir=%t/awq.again from=%t/awq scale-type=f16 lossless" -o %t/x.mlir
// RUN: diff -r %t/awq %t/awq.again
//
// Through all of them and back.
// RUN: quant-opt %s --load-checkpoint=dir=%t/compressed-tensors --save-checkpoint="format=gptq dir=%t/a from=%t/compressed-tensors lossless" -o %t/x.mlir
// RUN: diff -r %t/a %t/gptq
// RUN: quant-opt %s --load-checkpoint=dir=%t/a --save-checkpoint="format=awq dir=%t/b from=%t/a lossless" -o %t/x.mlir
// RUN: diff -r %t/b %t/awq
// RUN: quant-opt %s --load-checkpoint=dir=%t/b --save-checkpoint="format=compressed-tensors dir=%t/c from=%t/b scale-type=f16 lossless" -o %t/x.mlir
// RUN: diff -r %t/c %t/compressed-tensors
//
// RUN: quant-opt %s --load-checkpoint=dir=%t/gptq | FileCheck %s
// CHECK-DAG: ptq.key = "fc.weight_packed"
// CHECK-DAG: ptq.key = "norm.weight"
// CHECK: ptq.weight_only_linear {{.*}}layer = "fc"{{.*}}scheme = #ptq.scheme<bits = 4, symmetric, per_group(32)>
//
// A file with the other version's label.
// RUN: cp -r %t/gptq_v2 %t/mislabelled
// RUN: sed -i 's/"gptq_v2"/"gptq"/' %t/mislabelled/config.json
// RUN: not quant-opt %s --load-checkpoint=dir=%t/mislabelled 2>&1 | FileCheck %s --check-prefix=LABEL
// LABEL: layer 'fc': its zero points are those of gptq_v2, {{.*}}mislabelled; read it with format=gptq_v2
// RUN: quant-opt %s --load-checkpoint="dir=%t/mislabelled format=gptq_v2" -o %t/x.mlir
//
// RUN: not quant-opt %s --load-checkpoint=dir=%t/float 2>&1 | FileCheck %s --check-prefix=FLOAT
// FLOAT: has no quantization_config: the model is in float

func.func @main(%x: tensor<4x64xf32> {ptq.input = "x"}, %w: tensor<32x64xf32> {ptq.parameter = "fc.weight"},
                %g: tensor<64xf32> {ptq.parameter = "norm.weight"}) -> tensor<4x32xf32> {
  %scaled = ptq.scale_channels %x, %g : (tensor<4x64xf32>, tensor<64xf32>) -> tensor<4x64xf32>
  %y = ptq.linear %scaled, %w {layer = "fc"} : (tensor<4x64xf32>, tensor<32x64xf32>) -> tensor<4x32xf32>
  return %y : tensor<4x32xf32>
}
