// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// oneDNN's gemm for a weight that is met once, its matmul primitive with a blocked weight for one
// that stays. Primitives are made for fixed numbers of rows; the library caches them by shape.

#include "IntegerMatmulOneDNN.h"

#ifdef PTQ_HAS_ONEDNN
#include <cstring>
#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.hpp>
#endif

namespace ptq::numerics::onednn {

#ifdef PTQ_HAS_ONEDNN
namespace {

/// While one lives, OpenMP, if that is what oneDNN was built with, keeps to the calling thread. The
/// setting is the thread's own.
class OnThisThread {
public:
  OnThisThread() {
    if (set && get && (before = get()) != 1)
      set(1);
  }
  ~OnThisThread() {
    if (set && get && before != 1)
      set(before);
  }
  OnThisThread(const OnThisThread &) = delete;
  OnThisThread &operator=(const OnThisThread &) = delete;

private:
  using SetNumThreads = void (*)(int);
  using GetMaxThreads = int (*)();
  static const SetNumThreads set;
  static const GetMaxThreads get;
  int before = 1;
};

const OnThisThread::SetNumThreads OnThisThread::set =
    reinterpret_cast<SetNumThreads>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
const OnThisThread::GetMaxThreads OnThisThread::get =
    reinterpret_cast<GetMaxThreads>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"));

using dnnl::memory;

const dnnl::engine &cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

memory::desc dense(int64_t rows, int64_t columns, memory::data_type type) {
  return memory::desc({rows, columns}, type, memory::format_tag::ab);
}

/// The product of [m, k] with a weight [k, n] of layout `weight`. Empty if the library has but its
/// reference implementation, which is slower than anything.
dnnl::matmul::primitive_desc describe(int64_t m, int64_t n, int64_t k, const memory::desc &weight) {
  memory::desc left = dense(m, k, memory::data_type::s8);
  memory::desc result = dense(m, n, memory::data_type::s32);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
#if DNNL_VERSION_MAJOR < 3
  dnnl::matmul::primitive_desc description(dnnl::matmul::desc(left, weight, result), attributes,
                                           cpu(), /*allow_empty=*/true);
#else
  dnnl::matmul::primitive_desc description(cpu(), left, weight, result, attributes,
                                           /*allow_empty=*/true);
#endif
  if (description && std::strncmp(description.impl_info_str(), "ref", 3) == 0)
    return {};
  return description;
}

class OneDNNWeight : public BlockedWeight {
public:
  OneDNNWeight(memory weight, int64_t n) : weight(std::move(weight)), n(n) {}

  bool multiply(MatrixRef<const int8_t> a, MatrixRef<int32_t> c) const override {
    OnThisThread guard;
    dnnl::matmul::primitive_desc description = describe(a.rows, n, a.columns, weight.get_desc());
    if (!description)
      return false;
    memory left(description.src_desc(), cpu(), const_cast<int8_t *>(a.data));
    memory result(description.dst_desc(), cpu(), c.data);
    memory scratchpad(description.scratchpad_desc(), cpu());
    dnnl::stream stream(cpu());
    dnnl::matmul(description)
        .execute(stream, {{DNNL_ARG_SRC, left},
                          {DNNL_ARG_WEIGHTS, weight},
                          {DNNL_ARG_DST, result},
                          {DNNL_ARG_SCRATCHPAD, scratchpad}});
    stream.wait();
    return true;
  }

private:
  memory weight;
  int64_t n;
};

} // namespace

bool isUsable() {
  static const bool usable = [] {
    // Later instruction sets contain the bits of those that they include.
    auto isa = static_cast<unsigned>(dnnl_get_effective_cpu_isa());
    auto includes = [&](dnnl_cpu_isa_t part) {
      return (isa & static_cast<unsigned>(part)) == static_cast<unsigned>(part);
    };
    return includes(dnnl_cpu_isa_avx512_core_vnni) || includes(dnnl_cpu_isa_avx2_vnni);
  }();
  return usable;
}

bool multiply(MatrixRef<const int8_t> a, MatrixRef<const int8_t> b, MatrixRef<int32_t> c) {
  OnThisThread guard;
  int32_t offset = 0;
  return dnnl_gemm_s8s8s32('N', 'T', 'F', a.rows, b.rows, a.columns, 1.0f, a.data, a.stride, 0,
                           b.data, b.stride, 0, 0.0f, c.data, c.stride, &offset) == dnnl_success;
}

std::unique_ptr<BlockedWeight> layOut(MatrixRef<const int8_t> b) {
  // The layout depends on the instruction set and on n and k; it is asked for with this many rows.
  constexpr int64_t typicalRows = 256;
  OnThisThread guard;
  memory::dims shape{b.columns, b.rows};
  memory::desc any(shape, memory::data_type::s8, memory::format_tag::any);
  dnnl::matmul::primitive_desc description = describe(typicalRows, b.rows, b.columns, any);
  if (!description)
    return nullptr;
  memory::desc given(shape, memory::data_type::s8, memory::dims{1, b.columns});
  dnnl::reorder::primitive_desc toBlocked(cpu(), given, cpu(), description.weights_desc(),
                                          dnnl::primitive_attr(), /*allow_empty=*/true);
  if (!toBlocked)
    return nullptr;
  memory source(given, cpu(), const_cast<int8_t *>(b.data));
  memory blocked(description.weights_desc(), cpu());
  dnnl::stream stream(cpu());
  dnnl::reorder(toBlocked).execute(stream, source, blocked);
  stream.wait();
  return std::make_unique<OneDNNWeight>(std::move(blocked), b.rows);
}

#else // PTQ_HAS_ONEDNN

bool isUsable() { return false; }
bool multiply(MatrixRef<const int8_t>, MatrixRef<const int8_t>, MatrixRef<int32_t>) {
  return false;
}
std::unique_ptr<BlockedWeight> layOut(MatrixRef<const int8_t>) { return nullptr; }

#endif

} // namespace ptq::numerics::onednn
