// RUN: quant-opt %s --ptq-to-cpu --verify-diagnostics

// expected-error @+1 {{'ptq_rt_linear' is the name of a function of the CPU runtime; rename this symbol}}
func.func @ptq_rt_linear() {
  return
}
