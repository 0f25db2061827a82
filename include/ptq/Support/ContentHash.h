// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A name for the contents of an array: what tells whether two are the same.

#ifndef PTQ_SUPPORT_CONTENTHASH_H
#define PTQ_SUPPORT_CONTENTHASH_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

#include <string>

namespace ptq {

/// The hash of some elements' bytes, in hexadecimal.
template <typename T> std::string contentHash(llvm::ArrayRef<T> data) {
  llvm::XXH128_hash_t hash = llvm::xxh3_128bits(
      llvm::ArrayRef(reinterpret_cast<const uint8_t *>(data.data()), data.size() * sizeof(T)));
  return llvm::utohexstr(hash.high64) + "-" + llvm::utohexstr(hash.low64);
}

} // namespace ptq

#endif // PTQ_SUPPORT_CONTENTHASH_H
