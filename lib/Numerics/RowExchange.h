// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A weight's rows among the processes that round them (RowShare): which are whose, and how all come
// by all.

#ifndef PTQ_LIB_NUMERICS_ROWEXCHANGE_H
#define PTQ_LIB_NUMERICS_ROWEXCHANGE_H

#include "ptq/Numerics/Gptq.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace ptq::numerics {

class RowExchange {
public:
  /// Divides whole chunks of `chunkRows` rows among the processes.
  RowExchange(const RowShare &share, int64_t rows, int64_t chunkRows) : share(share), rows(rows) {
    int64_t chunks = (rows + chunkRows - 1) / chunkRows;
    for (int64_t process = 1; process <= share.count; ++process)
      ends.push_back(std::min(rows, process * chunks / share.count * chunkRows));
  }

  /// The rows [first(), last()) are this process's.
  int64_t first() const { return share.index ? ends[share.index - 1] : 0; }
  int64_t last() const { return ends[share.index]; }

  /// Gives the other processes this one's part of an array, and takes theirs. endOf(row) is where
  /// the elements of the rows before it end.
  template <typename T>
  llvm::Error exchange(std::vector<T> &array, llvm::function_ref<int64_t(int64_t)> endOf) const {
    if (share.count == 1 || array.empty())
      return llvm::Error::success();
    std::vector<int64_t> byteEnds;
    for (int64_t end : ends)
      byteEnds.push_back(endOf(end) * sizeof(T));
    return share.exchange({reinterpret_cast<char *>(array.data()), array.size() * sizeof(T)},
                          byteEnds);
  }
  /// The same for an array with as many elements for each row.
  template <typename T> llvm::Error exchange(std::vector<T> &array) const {
    int64_t perRow = array.size() / rows;
    return exchange(array, [&](int64_t row) { return row * perRow; });
  }

private:
  const RowShare &share;
  int64_t rows;
  std::vector<int64_t> ends; ///< Behind which row each process's rows end.
};

} // namespace ptq::numerics

#endif // PTQ_LIB_NUMERICS_ROWEXCHANGE_H
