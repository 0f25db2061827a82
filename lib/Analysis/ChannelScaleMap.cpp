// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ChannelScaleMap.h"

#include "llvm/ADT/STLExtras.h"
#include <numeric>

using namespace ptq::channel_scale;
using llvm::ArrayRef;

Classes::Classes(int64_t channels)
    : parents(channels + 1), kinds(channels + 1, Kind::Channel), independent(channels) {
  std::iota(parents.begin(), parents.end(), 0);
  kinds[kOne] = Kind::One;
}

ClassId Classes::fresh() {
  parents.push_back(parents.size());
  kinds.push_back(Kind::Free);
  return parents.back();
}

ClassId Classes::find(ClassId id) const {
  while (parents[id] != id)
    id = parents[id] = parents[parents[id]];
  return id;
}

bool Classes::unite(ClassId a, ClassId b) {
  a = find(a), b = find(b);
  if (a == b)
    return true;
  if (kinds[a] < kinds[b])
    std::swap(a, b);
  if (kinds[a] == Kind::One && kinds[b] == Kind::Channel)
    return false;
  independent -= kinds[b] == Kind::Channel;
  parents[b] = a;
  return true;
}

int64_t ScaleMap::numEntries() const { return classes.size(); }

bool ScaleMap::variesAlong(unsigned dim) const { return llvm::is_contained(dims, dim); }

void ptq::channel_scale::forEachIndex(ArrayRef<int64_t> sizes,
                                      llvm::function_ref<void(ArrayRef<int64_t>)> body) {
  if (llvm::is_contained(sizes, 0))
    return;
  llvm::SmallVector<int64_t, 6> index(sizes.size(), 0);
  while (true) {
    body(index);
    int64_t axis = int64_t(sizes.size()) - 1;
    for (; axis >= 0 && ++index[axis] == sizes[axis]; --axis)
      index[axis] = 0;
    if (axis < 0)
      return;
  }
}

std::optional<int64_t> ptq::channel_scale::boundedProduct(ArrayRef<int64_t> sizes) {
  int64_t product = 1;
  for (int64_t size : sizes) {
    if (size < 0 || size > kMaxEntries)
      return std::nullopt;
    product *= size;
    if (product > kMaxEntries)
      return std::nullopt;
  }
  return product;
}

MapReader::MapReader(const ScaleMap &map, ArrayRef<unsigned> axes)
    : map(map), axes(axes), strides(map.dims.size(), 1) {
  for (int64_t i = int64_t(strides.size()) - 1; i > 0; --i)
    strides[i - 1] = strides[i] * map.sizes[i];
}

ClassId MapReader::at(ArrayRef<int64_t> index) const {
  int64_t offset = 0;
  for (auto [axis, stride] : llvm::zip_equal(axes, strides))
    offset += index[axis] * stride;
  return map.classes[offset];
}

ScaleMap ptq::channel_scale::simplify(const ScaleMap &map, const Classes &classes) {
  ScaleMap result{map.exponent, {}, {}, {}};
  llvm::SmallVector<unsigned, 4> kept, axes(map.dims.size());
  std::iota(axes.begin(), axes.end(), 0);
  MapReader reader(map, axes);
  for (unsigned axis : axes) {
    bool varies = false;
    if (map.sizes[axis] != 1)
      forEachIndex(map.sizes, [&](ArrayRef<int64_t> index) {
        if (varies || index[axis] == 0)
          return;
        llvm::SmallVector<int64_t, 6> first(index);
        first[axis] = 0;
        varies = classes.find(reader.at(index)) != classes.find(reader.at(first));
      });
    if (!varies)
      continue;
    kept.push_back(axis);
    result.dims.push_back(map.dims[axis]);
    result.sizes.push_back(map.sizes[axis]);
  }
  llvm::SmallVector<int64_t, 6> full(map.dims.size(), 0);
  forEachIndex(result.sizes, [&](ArrayRef<int64_t> index) {
    for (auto [axis, position] : llvm::zip_equal(kept, index))
      full[axis] = position;
    result.classes.push_back(classes.find(reader.at(full)));
  });
  return result;
}

bool ptq::channel_scale::isOne(const ScaleMap &map, const Classes &classes) {
  return llvm::all_of(map.classes, [&](ClassId id) { return classes.find(id) == kOne; });
}

bool ptq::channel_scale::isActive(const ScaleMap &map, const Classes &classes) {
  return map.exponent != 0 &&
         llvm::any_of(map.classes, [&](ClassId id) { return classes.isChannel(id); });
}
