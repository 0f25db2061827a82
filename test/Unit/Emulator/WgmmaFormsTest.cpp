// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every variant of wgmma.mma_async against the host: types, numbers of columns, A from registers or
// shared memory, K or M and N innermost, every swizzle, negated operands, saturation, D added or
// not. Shared memory is filled byte by byte as the PTX ISA lays matrices out (Asynchronous
// Warpgroup Level Matrix Shared Memory Layout), with gaps between their parts and garbage in them.
// All values are small integers, so that floats are exact in any order of summation.

#include "Run.h"

#include <cmath>
#include <random>

using namespace ptq::emulator;

namespace {

constexpr unsigned rows = 64, threads = 128;

struct Variant {
  enum class Kind { Integer, HalfToFloat, HalfToHalf, BFloatToFloat } kind = Kind::Integer;
  unsigned columns = 64;
  bool signedA = true, signedB = true, saturate = false; ///< integers
  bool negateA = false, negateB = false;                 ///< floats
  bool transposeA = false, transposeB = false;           ///< floats: M, N innermost
  bool fromRegisters = false, add = true;
  unsigned swizzleA = 128, swizzleB = 128; ///< bytes; 0: none
  unsigned seed = 0;

  bool isInteger() const { return kind == Kind::Integer; }
  bool isBFloat() const { return kind == Kind::BFloatToFloat; }
  unsigned depth() const { return isInteger() ? 32 : 16; }
  unsigned elementBytes() const { return isInteger() ? 1 : 2; }
  unsigned perRegister() const { return kind == Kind::HalfToHalf ? 2 : 1; }
  unsigned resultRegisters() const { return columns / 2 / perRegister(); }
};

std::ostream &operator<<(std::ostream &os, const Variant &v) {
  return os << "kind " << int(v.kind) << " n" << v.columns << " signs " << v.signedA << v.signedB
            << " saturate " << v.saturate << " negate " << v.negateA << v.negateB << " transpose "
            << v.transposeA << v.transposeB << " registers " << v.fromRegisters << " add " << v.add
            << " swizzle " << v.swizzleA << "," << v.swizzleB << " seed " << v.seed;
}

/// A small integer as f16 or bf16.
uint16_t floatBits(int value, bool bfloat) {
  float number = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &number, 4);
  if (bfloat)
    return bits >> 16;
  if (value == 0)
    return 0;
  return (bits >> 16 & 0x8000) | (((bits >> 23 & 0xff) - 112) << 10) | (bits >> 13 & 0x3ff);
}

float halfValue(uint16_t bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
  float value = exponent ? std::ldexp(1024.0f + fraction, exponent - 25)
                         : std::ldexp(static_cast<float>(fraction), -24);
  return bits & 0x8000 ? -value : value;
}

/// A matrix of `count` rows along M or N, its bytes in shared memory, and its descriptor.
struct Matrix {
  Matrix(const Variant &v, bool isA, std::mt19937 &random)
      : count(isA ? rows : v.columns), depth(v.depth()), elementBytes(v.elementBytes()),
        transposed(isA ? v.transposeA : v.transposeB), swizzle(isA ? v.swizzleA : v.swizzleB),
        values(count * depth) {
    bool isSigned = isA ? v.signedA : v.signedB;
    for (int &value : values)
      value = !v.isInteger() ? int(random() % 17) - 8
              : isSigned     ? int(random() % 256) - 128
                             : int(random() % 256);
    chooseStrides(random);
    uint64_t end = 0;
    for (unsigned row = 0; row != count; ++row)
      for (unsigned k = 0; k != depth; ++k)
        end = std::max(end, offsetOf(row, k) + elementBytes);
    image.resize((end + 127 + 1024) / 1024 * 1024);
    for (uint8_t &byte : image)
      byte = random();
    for (unsigned row = 0; row != count; ++row)
      for (unsigned k = 0; k != depth; ++k) {
        uint16_t bits = v.isInteger() ? uint8_t(at(row, k)) : floatBits(at(row, k), v.isBFloat());
        std::memcpy(&image[offsetOf(row, k)], &bits, elementBytes);
      }
  }

  int at(unsigned row, unsigned k) const { return values[row * depth + k]; }

  /// From the matrix's start, which is aligned to 1024 bytes.
  uint64_t offsetOf(unsigned row, unsigned k) const {
    unsigned inner = transposed ? row : k, outer = transposed ? k : row;
    unsigned byte = inner * elementBytes;
    if (!swizzle) {
      // Cores of 8 × 16 bytes, each in a piece.
      unsigned alongInner = transposed ? stride : leading,
               alongOuter = transposed ? leading : stride;
      return outer % 8 * 16 + byte % 16 + byte / 16 * alongInner + outer / 8 * alongOuter;
    }
    // Atoms of 8 rows of `swizzle` bytes, whose 16-byte pieces are permuted.
    uint64_t offset = first + outer / 8 * stride + outer % 8 * swizzle + byte % swizzle +
                      byte / swizzle * leading;
    unsigned piece = offset / 16 % (swizzle / 16), line = offset / 128 % (swizzle / 16);
    return offset - piece * 16 + (piece ^ line) * 16;
  }

  /// But for the address of the start, in units of 16 bytes, which is added.
  uint64_t descriptor() const {
    uint64_t mode = swizzle == 128 ? 1 : swizzle == 64 ? 2 : swizzle == 32 ? 3 : 0;
    return mode << 62 | uint64_t(stride / 16) << 32 | uint64_t(leading / 16) << 16 | first / 16;
  }

  unsigned count, depth, elementBytes;
  bool transposed;
  unsigned swizzle;
  std::vector<int> values;
  std::vector<uint8_t> image;
  unsigned leading = 16, stride = 0, first = 0;

private:
  void chooseStrides(std::mt19937 &random) {
    if (!swizzle) {
      leading = 128 * (1 + random() % 2);
      stride = 16 * (leading / 16 * (transposed ? depth / 8 : 2) + random() % 3);
      return;
    }
    unsigned atom = 8 * swizzle;
    stride = atom * (1 + random() % 2);
    if (transposed) {
      leading = stride * 2 + atom * (random() % 2);
      return;
    }
    leading = 16 * (random() % 64); // has no meaning
    first = 32 * (random() % (swizzle / 32));
  }
};

std::string list(llvm::StringRef name, unsigned count) {
  std::string text = "{";
  for (unsigned i = 0; i != count; ++i)
    text += (i ? ", %" : "%") + name.str() + std::to_string(i);
  return text + "}";
}

std::string operation(const Variant &v) {
  std::string text = "wgmma.mma_async.sync.aligned.m64n" + std::to_string(v.columns) +
                     (v.isInteger() ? "k32" : "k16");
  auto number = [](int value) { return ", " + std::to_string(value); };
  std::string after;
  switch (v.kind) {
  case Variant::Kind::Integer:
    text += std::string(v.saturate ? ".satfinite" : "") + ".s32." + (v.signedA ? "s8." : "u8.") +
            (v.signedB ? "s8" : "u8");
    break;
  case Variant::Kind::HalfToFloat:
    text += ".f32.f16.f16";
    break;
  case Variant::Kind::HalfToHalf:
    text += ".f16.f16.f16";
    break;
  case Variant::Kind::BFloatToFloat:
    text += ".f32.bf16.bf16";
    break;
  }
  if (!v.isInteger()) {
    after = number(v.negateA ? -1 : 1) + number(v.negateB ? -1 : 1);
    if (!v.fromRegisters)
      after += number(v.transposeA);
    after += number(v.transposeB);
  }
  return text + " " + list("d", v.resultRegisters()) + ", " +
         (v.fromRegisters ? list("a", 4) : "%da") + ", %db, %add" + after + ";\n";
}

/// Each thread keeps its registers of A and D in memory one after another.
std::string text(const Variant &v, unsigned imageBytes, unsigned startOfB) {
  unsigned results = v.resultRegisters();
  std::string t =
      ".version 8.0\n.target sm_90a\n.address_size 64\n.extern .shared .align 1024 .b8 tiles[];\n"
      ".visible .entry kernel(.param .u64 image, .param .u64 fragments, .param .u64 sums, "
      ".param .u64 descA, .param .u64 descB, .param .u32 adds)\n{\n.reg .pred %p<4>, %add;\n"
      ".reg .b32 %r<16>, %a<4>, %d<" +
      std::to_string(results) +
      ">;\n.reg .b64 %rd<16>, %da, %db;\n"
      "ld.param.u64 %rd1, [image];\nld.param.u64 %rd2, [fragments];\nld.param.u64 %rd3, [sums];\n"
      "ld.param.u64 %da, [descA];\nld.param.u64 %db, [descB];\nld.param.u32 %r1, [adds];\n"
      "setp.ne.u32 %add, %r1, 0;\nmov.u32 %r2, %tid.x;\nmov.u32 %r3, tiles;\nshl.b32 %r4, %r2, 2;\n"
      "COPY:\ncvt.u64.u32 %rd4, %r4;\nadd.u64 %rd4, %rd1, %rd4;\nld.global.u32 %r5, [%rd4];\n"
      "add.u32 %r6, %r3, %r4;\nst.shared.u32 [%r6], %r5;\nadd.u32 %r4, %r4, 512;\n"
      "setp.lt.u32 %p1, %r4, " +
      std::to_string(imageBytes) +
      ";\n@%p1 bra COPY;\nfence.proxy.async;\nbar.sync 0;\n"
      "shr.u32 %r7, %r3, 4;\ncvt.u64.u32 %rd5, %r7;\nadd.u64 %da, %da, %rd5;\n"
      "add.u64 %db, %db, %rd5;\nadd.u64 %db, %db, " +
      std::to_string(startOfB / 16) + ";\nmul.wide.u32 %rd6, %r2, 16;\nadd.u64 %rd6, %rd2, %rd6;\n";
  for (unsigned i = 0; i != 4; ++i)
    t += "ld.global.u32 %a" + std::to_string(i) + ", [%rd6+" + std::to_string(4 * i) + "];\n";
  t += "mul.wide.u32 %rd7, %r2, " + std::to_string(4 * results) + ";\nadd.u64 %rd7, %rd3, %rd7;\n";
  auto each = [&](const std::string &head, bool store) {
    for (unsigned i = 0; i != results; ++i) {
      std::string address = "[%rd7+" + std::to_string(4 * i) + "]", d = "%d" + std::to_string(i);
      t += head + (store ? address + ", " + d : d + ", " + address) + ";\n";
    }
  };
  each("ld.global.u32 ", false);
  t += "wgmma.fence.sync.aligned;\n" + operation(v) +
       "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n";
  each("st.global.u32 ", true);
  return t + "ret;\n}\n";
}

/// The words of A's fragments: thread 32w + 4g + t has rows 16w + g (words 0, 2) and eight further
/// (1, 3), and of them 4 bytes from byte 4t and, in words 2 and 3, from byte 16 + 4t on.
std::vector<uint32_t> fragmentsOf(const Matrix &a, const Variant &v) {
  std::vector<uint32_t> words(threads * 4);
  for (unsigned thread = 0; thread != threads; ++thread)
    for (unsigned word = 0; word != 4; ++word)
      for (unsigned part = 0; part != 4 / a.elementBytes; ++part) {
        unsigned row = thread / 32 * 16 + thread % 32 / 4 + word % 2 * 8;
        unsigned k = (thread % 4 * 4 + word / 2 * 16) / a.elementBytes + part;
        uint32_t bits =
            v.isInteger() ? uint8_t(a.at(row, k)) : floatBits(a.at(row, k), v.isBFloat());
        words[thread * 4 + word] |= bits << (8 * a.elementBytes * part);
      }
  return words;
}

void check(const Variant &v) {
  SCOPED_TRACE(testing::Message() << v);
  std::mt19937 random(v.seed * 977 + v.columns);
  Matrix a(v, true, random), b(v, false, random);
  // D before, in the registers' order; integers of which saturation makes something.
  unsigned results = v.resultRegisters();
  std::vector<uint32_t> words(threads * results);
  auto draw = [&]() -> uint32_t {
    if (v.isInteger())
      return random() % 3 ? random() : (random() % 2 ? 0x7fffff00u : 0x80000100u);
    int value = int(random() % 65) - 32;
    if (v.kind == Variant::Kind::HalfToHalf)
      return floatBits(value, false) | uint32_t(floatBits(value / 2, false)) << 16;
    float number = value;
    uint32_t bits;
    std::memcpy(&bits, &number, 4);
    return bits;
  };
  for (uint32_t &word : words)
    word = draw();

  std::vector<uint8_t> image = a.image;
  image.insert(image.end(), b.image.begin(), b.image.end());
  Session session(text(v, image.size(), a.image.size()));
  uint64_t sums = session.buffer(words);
  auto result = session.launch(
      "kernel", {1}, {threads},
      {argument(session.buffer(image)), argument(session.buffer(fragmentsOf(a, v))), argument(sums),
       argument(a.descriptor()), argument(b.descriptor()), argument(uint32_t(v.add))},
      image.size());
  expectClean(result);
  std::vector<uint32_t> after = session.read<uint32_t>(sums, words.size());

  unsigned wrong = 0;
  for (unsigned thread = 0; thread != threads; ++thread)
    for (unsigned i = 0; i != v.columns / 2; ++i) {
      unsigned row = thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8;
      unsigned column = i / 4 * 8 + thread % 4 * 2 + i % 2;
      int64_t sum = 0;
      for (unsigned k = 0; k != v.depth(); ++k)
        sum += a.at(row, k) * b.at(column, k);
      size_t word = thread * results + i / v.perRegister();
      uint32_t before = words[word], now = after[word];
      if (v.isInteger()) {
        sum += v.add ? int32_t(before) : 0;
        if (v.saturate)
          sum = std::min<int64_t>(std::max<int64_t>(sum, INT32_MIN), INT32_MAX);
        wrong += now != uint32_t(sum);
        continue;
      }
      auto valueOf = [&](uint32_t bits) {
        if (v.kind == Variant::Kind::HalfToHalf)
          return halfValue(bits >> (i % 2 * 16));
        float value;
        std::memcpy(&value, &bits, 4);
        return value;
      };
      float expected = v.negateA != v.negateB ? -sum : sum;
      if (v.add)
        expected += valueOf(before);
      wrong += valueOf(now) != expected;
    }
  EXPECT_EQ(wrong, 0u);
}

constexpr unsigned swizzles[] = {0, 32, 64, 128};
constexpr Variant::Kind floats[] = {Variant::Kind::HalfToFloat, Variant::Kind::HalfToHalf,
                                    Variant::Kind::BFloatToFloat};

} // namespace

TEST(WgmmaForms, Integers) {
  for (unsigned signs = 0; signs != 4; ++signs)
    for (bool saturate : {false, true})
      for (bool fromRegisters : {false, true})
        for (unsigned swizzle : swizzles) {
          Variant v;
          v.seed = signs * 4 + saturate * 2 + fromRegisters;
          v.signedA = signs & 1;
          v.signedB = signs & 2;
          v.saturate = saturate;
          v.fromRegisters = fromRegisters;
          v.swizzleA = swizzle;
          v.swizzleB = swizzles[(v.seed + swizzle) % 4];
          v.add = v.seed % 3;
          check(v);
        }
}

TEST(WgmmaForms, IntegerColumns) {
  for (unsigned columns = 8; columns <= 256; columns += columns < 32 ? 8 : 16) {
    Variant v;
    v.columns = columns;
    v.seed = columns / 8;
    v.swizzleA = swizzles[v.seed % 4];
    v.swizzleB = swizzles[v.seed / 2 % 4];
    v.fromRegisters = v.seed % 3 == 0;
    check(v);
  }
}

TEST(WgmmaForms, Floats) {
  for (Variant::Kind kind : floats)
    for (unsigned transposed = 0; transposed != 4; ++transposed)
      for (unsigned swizzleA : swizzles)
        for (unsigned swizzleB : swizzles) {
          Variant v;
          v.kind = kind;
          v.seed = unsigned(kind) * 64 + transposed * 16 + swizzleA / 16 + swizzleB / 32;
          v.transposeA = transposed & 1;
          v.transposeB = transposed & 2;
          v.swizzleA = swizzleA;
          v.swizzleB = swizzleB;
          v.negateA = v.seed % 2;
          v.negateB = v.seed % 5 == 0;
          v.add = v.seed % 3;
          check(v);
        }
}

TEST(WgmmaForms, FloatColumns) {
  for (unsigned columns = 8; columns <= 256; columns += 8) {
    Variant v;
    v.columns = columns;
    v.seed = columns / 8;
    v.kind = floats[v.seed % 3];
    v.fromRegisters = v.seed % 2;
    v.transposeB = v.seed / 2 % 2;
    v.swizzleA = swizzles[v.seed % 4];
    v.swizzleB = swizzles[v.seed / 4 % 4];
    v.negateA = v.seed % 5 == 0;
    check(v);
  }
}
