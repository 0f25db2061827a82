// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A tile of a row-major matrix in shared memory: how it is laid out, copied in, and read as mma
// fragments.
//
// A row of the tile is `rowBytes` = 64, 128 or 256 bytes, stored without padding. Its 16-byte
// chunks are permuted: chunk c of row r is stored at position c ^ f(r), f(r) = (r / 2) mod 4 for 64
// bytes and r mod 8 otherwise. Any 8 consecutive rows then hold chunk c in 8 different groups of 4
// banks, and so do any 8 consecutive chunks of the matrix: both ldmatrix (8 rows, one chunk) and
// the copies (a row after another) run without a bank conflict.

#ifndef PTQ_LIB_KERNELS_SHAREDTILE_H
#define PTQ_LIB_KERNELS_SHAREDTILE_H

#include "KernelBuilder.h"

namespace ptq::kernels {

/// The extent of a tile in shared memory.
struct TileShape {
  int64_t rows, rowBytes;
  int64_t bytes() const { return rows * rowBytes; }
};

/// The byte offset of (row, byte) in a tile whose rows are rowBytes long; byte within the row. What
/// is permuted are units of `unit` bytes: 16, or 32 where rows of 32 bytes, 4 at once, are to be
/// without a bank conflict.
Value tileOffset(KernelBuilder &k, Value row, Value byte, int64_t rowBytes, int64_t unit = 16);

/// The widest asynchronous copy, of 16, 8 or 4 bytes, that keeps rows of `pitch` bytes aligned; an
/// element if none does.
unsigned copyWidth(int64_t pitch, unsigned elementBytes);

/// Copies one tile after another along a matrix's rows, by all threads of a block together. What
/// lies outside the matrix becomes zero.
class TileCopy {
public:
  /// The matrix's rows are `pitch` bytes, of elements of 1 or 2; the tile begins at row `firstRow`
  /// and, at first, column 0. rowCount is the number of rows of the matrix; null where no tile
  /// reaches beyond it. `matrix` is 16-byte aligned. A row of the tile has at most as many elements
  /// as there are threads. dynamicPitch, if given, is used instead of `pitch`; the copies are then
  /// of an element each.
  TileCopy(KernelBuilder &k, TileShape tile, int64_t pitch, unsigned elementBytes, unsigned threads,
           Value thread, Value matrix, Value firstRow, Value rowCount, Value dynamicPitch = {});

  /// Columns from byte `end` on become zero as well, as those outside the matrix do.
  void limitColumns(Value end) { columnLimit = end; }

  /// Where this thread's part of the first tile begins: in global memory, and the byte in the row.
  Value pointer() const { return source; }
  Value column() const { return firstColumn; }

  /// Issues the copy of the tile at (pointer, column) to `shared`. The pointer is advanced by the
  /// caller, by rowBytes a tile; nothing beyond the matrix's end is read.
  void issue(Value pointer, Value column, Value shared);

private:
  void issueElements(Value pointer, Value column, Value shared);
  /// The bytes of so many rows of the matrix, as i64.
  Value rowsBytes(Value rows);

  KernelBuilder &k;
  TileShape tile;
  int64_t pitch, rowsPerPass, passes;
  unsigned width, elementBytes;
  Value row, firstRow, rowCount, dynamicPitch, source, firstColumn, target, columnLimit;
};

/// Reads mma fragments, 32 bytes of k at a time, by ldmatrix.
class FragmentReader {
public:
  /// Left: rows are rows of the product; a fragment covers 16 of them: m16×k32 bytes, 4 words.
  /// Right: rows are its columns; 16 of them too: two fragments of k32 bytes×n8, 2 words each, in
  /// turn.
  enum class Side { Left, Right };
  /// Steps are counted from `firstByte` of the rows on: a multiple of 32 that has no bit in common
  /// with those that the steps take.
  FragmentReader(KernelBuilder &k, Side side, TileShape tile, Value lane, Value firstRow,
                 Value firstByte = {});

  /// The offset in the tile of this lane's first row for k-step `step`; a value that is the same in
  /// all tiles.
  Value stepOffset(unsigned step);
  /// The words of fragment `index` (16 rows further each).
  llvm::SmallVector<Value, 4> read(Value tileStart, unsigned step, unsigned index);

private:
  KernelBuilder &k;
  TileShape tile;
  Value base;
};

} // namespace ptq::kernels

#endif // PTQ_LIB_KERNELS_SHAREDTILE_H
