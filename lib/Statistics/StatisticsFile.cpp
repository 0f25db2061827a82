// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reading and writing records as safetensors; the format is in the header.
//
#include "ptq/Statistics/StatisticsFile.h"

#include "ptq/Checkpoint/Float16.h"
#include "ptq/Checkpoint/SafetensorsWriter.h"
#include "ptq/Checkpoint/StrictJSON.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"

#include <cmath>
#include <deque>

using namespace llvm;
using namespace ptq::checkpoint;

namespace ptq::statistics {
namespace {

constexpr StringLiteral absmaxSuffix = ".absmax";
constexpr StringLiteral meanAbsSuffix = ".mean_abs";
constexpr StringLiteral tokensSuffix = ".tokens";
constexpr StringLiteral gramSuffix = ".gram";
constexpr StringLiteral sharedKey = "shared";

Error failure(StringRef path, StringRef layer, const Twine &message) {
  return createStringError("'" + path + "': statistics of layer '" + layer + "': " + message);
}

/// Statistics must be counts and magnitudes.
Error checkValues(StringRef path, StringRef layer, const ActivationStatistics &statistics) {
  if (statistics.tokens < 0)
    return failure(path, layer,
                   "the token count is " + Twine(statistics.tokens) + "; calibrate again");
  auto check = [&](StringRef what, ArrayRef<float> values) -> Error {
    for (size_t j = 0; j < values.size(); ++j)
      if (!(values[j] >= 0) || std::isinf(values[j]))
        return failure(path, layer,
                       what + " of channel " + Twine(j) + " is " + std::to_string(values[j]) +
                           ", not a finite magnitude; calibrate again");
    return Error::success();
  };
  if (Error error = check("absmax", statistics.absmax))
    return error;
  return check("mean |x|", statistics.meanAbs);
}

Error checkRecord(StringRef path, const StatisticsRecord &record, StringSet<> &seen) {
  if (record.layers.empty())
    return createStringError("cannot write '" + path + "': a record names no layer");
  for (const std::string &layer : record.layers) {
    if (layer.empty() || !json::isUTF8(layer))
      return createStringError("cannot write '" + path +
                               "': a layer's name is empty or not UTF-8; rename it");
    if (!seen.insert(layer).second)
      return failure(path, layer, "the layer is in the records twice; give it one input");
  }
  const ActivationStatistics &statistics = record.statistics;
  size_t n = statistics.absmax.size();
  if (statistics.meanAbs.size() != n ||
      (!statistics.divisor.empty() && statistics.divisor.size() != n) ||
      (!record.gram.empty() && record.gram.size() != n * n))
    return failure(path, record.layers.front(),
                   "sizes disagree: " + Twine(n) + " absmax, " + Twine(statistics.meanAbs.size()) +
                       " mean |x|, " + Twine(statistics.divisor.size()) + " divisors, " +
                       Twine(record.gram.size()) + " Gram elements");
  return checkValues(path, record.layers.front(), statistics);
}

template <typename T> ArrayRef<char> bytesOf(ArrayRef<T> values) {
  return ArrayRef<char>(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T));
}

} // namespace

Error saveStatistics(StringRef path, ArrayRef<StatisticsRecord> records) {
  std::vector<TensorEntry> entries;
  std::deque<std::vector<float>> dividedGrams;
  json::Object shared;
  StringSet<> seen;
  for (const StatisticsRecord &record : records) {
    if (Error error = checkRecord(path, record, seen))
      return error;
    const std::string &layer = record.layers.front();
    const ActivationStatistics &statistics = record.statistics;
    int64_t n = statistics.channels();
    auto add = [&](StringRef suffix, DType dtype, SmallVector<int64_t, 4> shape,
                   ArrayRef<char> data) {
      entries.push_back({layer + suffix.str(), dtype, std::move(shape), data});
    };
    add(absmaxSuffix, DType::F32, {n}, bytesOf<float>(statistics.absmax));
    add(meanAbsSuffix, DType::F32, {n}, bytesOf<float>(statistics.meanAbs));
    add(tokensSuffix, DType::I64, {1}, bytesOf<int64_t>(statistics.tokens));
    if (!record.gram.empty()) {
      ArrayRef<float> gram = record.gram;
      if (!statistics.divisor.empty()) {
        dividedGrams.push_back(record.gram);
        if (Error error = applyDivisorToGram(dividedGrams.back(), statistics.divisor))
          return error;
        gram = dividedGrams.back();
      }
      add(gramSuffix, DType::F32, {n, n}, bytesOf(gram));
    }
    for (const std::string &other : drop_begin(record.layers))
      shared[other] = layer;
  }

  std::map<std::string, std::string> metadata;
  if (!shared.empty())
    raw_string_ostream(metadata[sharedKey.str()]) << json::Value(std::move(shared));
  return writeSafetensors(path, entries, metadata);
}

Expected<std::shared_ptr<const StatisticsFile>> StatisticsFile::load(StringRef path) {
  auto result = std::shared_ptr<StatisticsFile>(new StatisticsFile());
  Expected<std::shared_ptr<const SafetensorsFile>> file = SafetensorsFile::open(path);
  if (!file)
    return file.takeError();
  result->file = *file;

  for (const TensorInfo &info : (*file)->tensors()) {
    StringRef layer = info.name;
    if (layer.consume_back(absmaxSuffix))
      if (Error error = result->addRecord(layer))
        return error;
  }
  if (result->records.empty())
    return createStringError("'" + path +
                             "': the file holds no statistics (no '<layer>.absmax'); "
                             "write one with --calibrate=\"save=…\"");
  if (Error error = result->addShared())
    return error;
  return result;
}

Error StatisticsFile::addRecord(StringRef layer) {
  /// Finds a part and checks its type and shape; null if it is missing.
  auto part = [&](StringRef suffix, DType dtype, ArrayRef<int64_t> shape,
                  bool orScalar = false) -> Expected<const TensorInfo *> {
    const TensorInfo *info = file->find((layer + suffix).str());
    if (!info)
      return info;
    if (info->dtype == dtype &&
        (ArrayRef<int64_t>(info->shape) == shape || (orScalar && info->shape.empty())))
      return info;
    std::string expected;
    raw_string_ostream stream(expected);
    interleave(shape, stream, "x");
    return failure(file->path(), layer,
                   "'" + info->name + "' is not " + checkpoint::toString(dtype) + " [" + expected +
                       "]; calibrate again");
  };
  auto required = [&](StringRef suffix, DType dtype, ArrayRef<int64_t> shape,
                      bool orScalar = false) -> Expected<const TensorInfo *> {
    Expected<const TensorInfo *> info = part(suffix, dtype, shape, orScalar);
    if (info && !*info)
      return failure(file->path(), layer, "'" + layer + suffix + "' is missing; calibrate again");
    return info;
  };
  auto copy = [&](const TensorInfo *info) {
    std::vector<float> values(info->numElements());
    convertToFloat(DType::F32, file->data(*info), values);
    return values;
  };

  const TensorInfo *anchor = file->find((layer + absmaxSuffix).str());
  if (anchor->shape.size() != 1)
    return failure(file->path(), layer, "'" + anchor->name + "' is not a vector; calibrate again");
  int64_t n = anchor->shape.front();
  Expected<const TensorInfo *> absmax = required(absmaxSuffix, DType::F32, {n});
  if (!absmax)
    return absmax.takeError();
  Expected<const TensorInfo *> meanAbs = required(meanAbsSuffix, DType::F32, {n});
  if (!meanAbs)
    return meanAbs.takeError();
  Expected<const TensorInfo *> tokens = required(tokensSuffix, DType::I64, {1}, true);
  if (!tokens)
    return tokens.takeError();
  Expected<const TensorInfo *> gram = part(gramSuffix, DType::F32, {n, n});
  if (!gram)
    return gram.takeError();

  auto record = std::make_unique<Record>();
  record->statistics.absmax = copy(*absmax);
  record->statistics.meanAbs = copy(*meanAbs);
  record->statistics.tokens =
      static_cast<int64_t>(support::endian::read64le(file->data(**tokens).data()));
  if (Error error = checkValues(file->path(), layer, record->statistics))
    return error;
  if (*gram && file->isAligned(**gram)) {
    ArrayRef<char> bytes = file->data(**gram);
    record->gram = ArrayRef<float>(reinterpret_cast<const float *>(bytes.data()),
                                   bytes.size() / sizeof(float));
  } else if (*gram) {
    record->alignedCopy = copy(*gram);
    record->gram = record->alignedCopy;
  }
  recordOfLayer[layer] = records.size();
  records.push_back(std::move(record));
  return Error::success();
}

Error StatisticsFile::addShared() {
  auto metadata = file->metadata().find(sharedKey.str());
  if (metadata == file->metadata().end())
    return Error::success();
  auto damaged = [&](const Twine &message) {
    return createStringError("'" + file->path() + "': metadata 'shared' " + message +
                             "; calibrate again");
  };
  Expected<json::Value> root = parseStrictJSON(metadata->second);
  if (!root)
    return damaged("is damaged: " + llvm::toString(root.takeError()));
  const json::Object *shared = root->getAsObject();
  if (!shared)
    return damaged("is not a JSON object");
  StringMap<size_t> resolved;
  for (const auto &[key, value] : *shared) {
    StringRef other = key;
    std::optional<StringRef> first = value.getAsString();
    auto found = first ? recordOfLayer.find(*first) : recordOfLayer.end();
    if (found == recordOfLayer.end())
      return damaged("gives layer '" + other + "' the record of '" + first.value_or("") +
                     "', which is not in the file");
    resolved[other] = found->second;
  }
  for (const auto &entry : resolved)
    if (!recordOfLayer.try_emplace(entry.getKey(), entry.getValue()).second)
      return damaged("names layer '" + entry.getKey() + "', which has a record of its own");
  return Error::success();
}

const StatisticsFile::Record *StatisticsFile::record(StringRef layer) const {
  auto found = recordOfLayer.find(layer);
  return found == recordOfLayer.end() ? nullptr : records[found->second].get();
}

const ActivationStatistics *StatisticsFile::find(StringRef layer) const {
  const Record *found = record(layer);
  return found ? &found->statistics : nullptr;
}

ArrayRef<float> StatisticsFile::gram(StringRef layer) const {
  const Record *found = record(layer);
  return found ? found->gram : ArrayRef<float>();
}

std::vector<StringRef> StatisticsFile::layers() const {
  std::vector<StringRef> result;
  for (const auto &entry : recordOfLayer)
    result.push_back(entry.getKey());
  sort(result);
  return result;
}

} // namespace ptq::statistics
