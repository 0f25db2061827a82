// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Statistics on disk, as safetensors:
//   <layer>.absmax    F32 [in]
//   <layer>.mean_abs  F32 [in]
//   <layer>.tokens    I64 [1]
//   <layer>.gram      F32 [in, in], optional: XᵀX, full and symmetric
// Layers that share an input share a record, stored under the first one's name; the metadata key
// "shared" holds a JSON object {"other layer": "first layer", …}.
//
#ifndef PTQ_STATISTICS_STATISTICSFILE_H
#define PTQ_STATISTICS_STATISTICSFILE_H

#include "ptq/Checkpoint/Safetensors.h"
#include "ptq/Statistics/ActivationStatistics.h"

#include "llvm/ADT/StringMap.h"

#include <memory>
#include <string>
#include <vector>

namespace ptq::statistics {

/// What is known of one input: the layers that read it, its statistics, and optionally its Gram
/// matrix [channels, channels], that of the observed x (not yet divided by statistics.divisor).
struct StatisticsRecord {
  std::vector<std::string> layers;
  ActivationStatistics statistics;
  std::vector<float> gram;
};

/// Writes the records, atomically. The file holds the divided values: a record with a divisor has
/// it applied to its Gram matrix. Errors: a record without a layer, a layer in two records, sizes
/// that disagree, a full disk.
llvm::Error saveStatistics(llvm::StringRef path, llvm::ArrayRef<StatisticsRecord> records);

/// A loaded file; vectors are copied, Gram matrices stay mapped. Immutable.
class StatisticsFile {
public:
  /// Errors name the file and the layer: a record that lacks a part or has the wrong type or shape,
  /// values that are negative, infinite or NaN, a shared layer whose record is missing, a file
  /// without any statistics.
  static llvm::Expected<std::shared_ptr<const StatisticsFile>> load(llvm::StringRef path);

  /// The layer's statistics (the same object for layers that share their input), or null.
  const ActivationStatistics *find(llvm::StringRef layer) const;

  /// The layer's Gram matrix [channels, channels], mapped; empty if the file has none. Valid as
  /// long as this object.
  llvm::ArrayRef<float> gram(llvm::StringRef layer) const;

  /// All layers, sorted, those that share a record included.
  std::vector<llvm::StringRef> layers() const;

private:
  struct Record {
    ActivationStatistics statistics;
    llvm::ArrayRef<float> gram;
    /// Backs `gram` where the mapping is not aligned to float, as in a file some other tool wrote.
    std::vector<float> alignedCopy;
  };

  StatisticsFile() = default;
  llvm::Error addRecord(llvm::StringRef layer);
  llvm::Error addShared();
  const Record *record(llvm::StringRef layer) const;

  std::shared_ptr<const checkpoint::SafetensorsFile> file;
  std::vector<std::unique_ptr<Record>> records;
  llvm::StringMap<size_t> recordOfLayer;
};

} // namespace ptq::statistics

#endif // PTQ_STATISTICS_STATISTICSFILE_H
