// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A scaled tensor, symbolically: which independent scale each of its elements takes, and to which
// power.
//
// In the rewritten program an element v becomes v·s_c^e. The *class* c is a variable, one
// independent positive scale; the exponent e is one integer for the whole tensor. Classes are
// united where the program's algebra forces two scales to be equal, so a solution is a union-find
// over classes and a map for each tensor that is scaled.

#ifndef PTQ_LIB_ANALYSIS_CHANNELSCALEMAP_H
#define PTQ_LIB_ANALYSIS_CHANNELSCALEMAP_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <optional>
#include <vector>

namespace ptq::channel_scale {

using ClassId = int32_t;

/// The class whose scale is 1: what is in it is not scaled.
inline constexpr ClassId kOne = 0;

/// Maps with more entries than this are not followed.
inline constexpr int64_t kMaxEntries = int64_t(1) << 17;

/// A union-find over classes. The class of channel k of the activation is 1 + k. Other classes are
/// made as needed: they are *free*, and stand for 1 unless they are united with a channel's.
class Classes {
public:
  explicit Classes(int64_t channels);

  ClassId fresh();
  ClassId find(ClassId id) const;
  /// Makes the scales of two classes equal. False if a channel's would have to be 1.
  bool unite(ClassId a, ClassId b);

  bool isChannel(ClassId id) const { return kinds[find(id)] == Kind::Channel; }
  /// The number of independent scales that the channels have left.
  int64_t channelClasses() const { return independent; }

private:
  enum class Kind : uint8_t { Free, Channel, One };
  mutable std::vector<ClassId> parents;
  std::vector<Kind> kinds;
  int64_t independent;
};

/// The scale of a tensor: value' = value · s_c^exponent, c varying over some of its dimensions.
struct ScaleMap {
  int exponent = 0;
  llvm::SmallVector<unsigned, 4> dims;   ///< Dimensions along which it varies, ascending.
  llvm::SmallVector<int64_t, 4> sizes;   ///< Their sizes.
  llvm::SmallVector<ClassId, 0> classes; ///< Row major over `dims`.

  int64_t numEntries() const;
  bool variesAlong(unsigned dim) const;
};

/// Calls `body` with every index of a row-major array of these sizes, in order.
void forEachIndex(llvm::ArrayRef<int64_t> sizes,
                  llvm::function_ref<void(llvm::ArrayRef<int64_t>)> body);

/// The product of `sizes`, or nothing if it exceeds kMaxEntries.
std::optional<int64_t> boundedProduct(llvm::ArrayRef<int64_t> sizes);

/// Reads a map at indices of another space: axis i of the map is the space's axis `axes[i]`.
class MapReader {
public:
  MapReader(const ScaleMap &map, llvm::ArrayRef<unsigned> axes);
  ClassId at(llvm::ArrayRef<int64_t> index) const;

private:
  const ScaleMap &map;
  llvm::SmallVector<unsigned, 4> axes;
  llvm::SmallVector<int64_t, 4> strides;
};

/// Drops dimensions of size 1 and those along which all classes are united already.
ScaleMap simplify(const ScaleMap &map, const Classes &classes);

/// True if all classes of the map stand for 1 for good.
bool isOne(const ScaleMap &map, const Classes &classes);

/// True if a class of the map is a channel's: it is not certain yet that nothing is scaled.
bool isActive(const ScaleMap &map, const Classes &classes);

} // namespace ptq::channel_scale

#endif
