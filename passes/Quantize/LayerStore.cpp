// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "LayerStore.h"

#include "OutlierLayer.h"
#include "ptq/Checkpoint/AtomicFile.h"
#include "ptq/Checkpoint/Safetensors.h"
#include "ptq/Checkpoint/SafetensorsWriter.h"
#include "ptq/Distributed/Communicator.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

using namespace mlir;
using namespace ptq;
using checkpoint::DType;
using checkpoint::SafetensorsFile;
using checkpoint::TensorEntry;
using checkpoint::TensorInfo;

/// Says what the folder is, and of which run.
static constexpr llvm::StringLiteral runFile = "run.txt";
static constexpr llvm::StringLiteral lockFile = "lock";

std::string ptq::describe(const numerics::WeightScheme &scheme) {
  std::string text;
  llvm::raw_string_ostream(text) << scheme.bits << ' ' << scheme.symmetric << ' '
                                 << int(scheme.granularity) << ' ' << scheme.groupSize << ' '
                                 << scheme.mse << ' ' << int(scheme.symmetricRange) << ' '
                                 << int(scheme.codebook) << ' ' << scheme.doubleQuantization << ' '
                                 << scheme.progressive << ' ' << int(scheme.scaleType);
  return text;
}

static std::string join(StringRef folder, StringRef file) {
  SmallString<128> result(folder);
  llvm::sys::path::append(result, file);
  return result.str().str();
}

static llvm::Error failure(StringRef path, const Twine &message) {
  return llvm::createStringError("resume: '" + path + "': " + message);
}

/// Removes what a killed process left half written. Error: a file that no run of ours made, in a
/// folder that does not say it is of one.
static llvm::Error cleanUp(StringRef path, bool isOurs) {
  std::error_code error;
  for (llvm::sys::fs::directory_iterator it(path, error), end; it != end && !error;
       it.increment(error)) {
    StringRef name = llvm::sys::path::filename(it->path());
    if (name.starts_with(".ptq-") && name.ends_with(".tmp"))
      llvm::sys::fs::remove(it->path());
    else if (!isOurs && name != lockFile)
      return failure(path, "it has other files ('" + name +
                               "' for one) and nothing of an earlier run; name an empty or new "
                               "folder");
  }
  return error ? failure(path, error.message()) : llvm::Error::success();
}

llvm::Expected<std::unique_ptr<LayerStore>> LayerStore::open(StringRef path, StringRef run) {
  if (!distributed::Communicator::world().isRoot())
    return std::unique_ptr<LayerStore>(new LayerStore("", /*lock=*/-1));
  if (std::error_code error = llvm::sys::fs::create_directories(path))
    return failure(path, "the folder cannot be made: " + error.message());
  int lock = ::open(join(path, lockFile).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock < 0)
    return failure(path, "it cannot be written: " + llvm::sys::StrError());
  std::unique_ptr<LayerStore> store(new LayerStore(path.str(), lock));
  if (flock(lock, LOCK_EX | LOCK_NB) != 0)
    return failure(path, "another process is using it; wait for that, or name another folder");
  std::string text = ("mlir-ptq rounded layers, version 1\n" + run).str();
  auto present = llvm::MemoryBuffer::getFile(join(path, runFile));
  if (llvm::Error error = cleanUp(path, bool(present)))
    return std::move(error);
  if (present) {
    if ((*present)->getBuffer() != text)
      return failure(path, "it is of a run with other options or of another model (its run.txt "
                           "says which); repeat that command, or name a new folder");
    return store;
  }
  if (llvm::Error error = checkpoint::writeFileAtomically(
          join(path, runFile), [&](llvm::raw_pwrite_stream &os) -> llvm::Error {
            os << text;
            return llvm::Error::success();
          }))
    return std::move(error);
  return store;
}

LayerStore::~LayerStore() {
  if (!isTemporary())
    ::close(lock);
}

llvm::Error LayerStore::share(const std::string &file) const {
  distributed::Communicator &world = distributed::Communicator::world();
  if (world.size() == 1)
    return llvm::Error::success();
  std::string contents;
  if (world.isRoot() && llvm::sys::fs::exists(file)) {
    auto buffer = llvm::MemoryBuffer::getFile(file, /*IsText=*/false,
                                              /*RequiresNullTerminator=*/false);
    if (!buffer)
      return failure(file, buffer.getError().message());
    contents = (*buffer)->getBuffer().str();
  }
  if (llvm::Error error = world.broadcastText(contents))
    return error;
  if (world.isRoot() || contents.empty())
    return llvm::Error::success();
  return checkpoint::writeFileAtomically(file, [&](llvm::raw_pwrite_stream &os) {
    os << contents;
    return llvm::Error::success();
  });
}

llvm::Expected<std::shared_ptr<const SafetensorsFile>>
LayerStore::map(const std::string &path) const {
  auto file = SafetensorsFile::open(path);
  if (isTemporary())
    llvm::sys::fs::remove(path);
  return file;
}

llvm::Expected<std::string> LayerStore::fileOf(LinearOp layer) {
  if (isTemporary()) {
    SmallString<128> file;
    if (std::error_code error =
            llvm::sys::fs::createTemporaryFile("ptq-layer", "safetensors", file))
      return failure(file, "a temporary file cannot be made: " + error.message());
    llvm::sys::fs::remove(file);
    return file.str().str();
  }
  std::string &file = files[layer];
  if (!file.empty())
    return file;
  StringRef name = layer.getLayerName();
  std::string readable;
  for (char c : name.take_back(100))
    readable += llvm::isAlnum(c) || c == '.' || c == '_' || c == '-' ? c : '_';
  unsigned number = ++count[name];
  return file = join(path, readable + "-" + llvm::utohexstr(llvm::xxh3_64bits(name)) +
                               (number > 1 ? "-" + std::to_string(number) : "") + ".safetensors");
}

namespace {

/// Goes through the arrays of a weight, by their names in the file.
template <typename Visitor> void visitArrays(PackedWeight &weight, Visitor &&visit) {
  visit("words", DType::U32, weight.words);
  visit("codes", DType::I8, weight.codes);
  visit("scales", DType::F32, weight.scales);
  visit("zero_points", DType::I8, weight.zeroPoints);
  visit("group_index", DType::I32, weight.groupIndex);
  visit("sparse.row_offsets", DType::I32, weight.sparse.rowOffsets);
  visit("sparse.columns", DType::I32, weight.sparse.columns);
  visit("sparse.values", DType::F32, weight.sparse.values);
  if (weight.quantizedScales) {
    visit("quantized_scales.codes", DType::I8, weight.quantizedScales->codes);
    visit("quantized_scales.blocks", DType::F32, weight.quantizedScales->blockScales);
  }
  if (weight.progressive) {
    visit("progressive.channels", DType::F32, weight.progressive->channelScales);
    visit("progressive.groups", DType::I8, weight.progressive->groupScales);
  }
}

/// Puts a tensor of a mapped file where it came from.
struct Reader {
  std::shared_ptr<const SafetensorsFile> file;
  bool fits = true;

  template <typename T> ArrayRef<T> view(StringRef name, DType dtype) {
    const TensorInfo *info = file->find(name);
    if (!info)
      return {};
    fits &= info->dtype == dtype && file->isAligned(*info);
    if (!fits)
      return {};
    return {reinterpret_cast<const T *>(file->data(*info).data()), size_t(info->numElements())};
  }
  template <typename T> void operator()(StringRef name, DType dtype, StoredArray<T> &array) {
    array = StoredArray<T>(view<T>(name, dtype), file);
  }
  template <typename T> void operator()(StringRef name, DType dtype, std::vector<T> &array) {
    array = view<T>(name, dtype).vec();
  }
};

} // namespace

/// A number without loss, as text.
static std::string exact(double value) { return llvm::utohexstr(llvm::bit_cast<uint64_t>(value)); }

static std::optional<double> fromExact(StringRef text) {
  uint64_t bits = 0;
  if (text.getAsInteger(16, bits))
    return std::nullopt;
  return llvm::bit_cast<double>(bits);
}

llvm::Error LayerStore::keep(LinearOp layer, StringRef made, Entry &entry) {
  std::vector<TensorEntry> tensors;
  visitArrays(entry.weight, [&](StringRef name, DType dtype, const auto &array) {
    if (!array.empty())
      tensors.push_back({name.str(),
                         dtype,
                         {int64_t(array.size())},
                         ArrayRef(reinterpret_cast<const char *>(array.data()),
                                  array.size() * sizeof(*array.data()))});
  });
  std::map<std::string, std::string> metadata{
      {"layer", layer.getLayerName().str()},
      {"made", made.str()},
      {"method", entry.record.method},
      {"seconds", exact(entry.record.seconds)},
      {"sparse_type", entry.weight.sparse.type == numerics::ShortFloat::F16 ? "F16" : "BF16"}};
  if (entry.weight.quantizedScales)
    metadata["quantized_scales_mean"] = exact(entry.weight.quantizedScales->mean);
  if (entry.weight.progressive)
    metadata["progressive"] = "true";
  if (entry.record.error)
    metadata["error"] = exact(*entry.record.error);
  if (entry.record.errorRtn)
    metadata["error_rtn"] = exact(*entry.record.errorRtn);
  for (const auto &[name, value] : entry.record.figures)
    metadata["figure." + name] = exact(value);
  llvm::Expected<std::string> path = fileOf(layer);
  if (!path)
    return path.takeError();
  if (llvm::Error error = checkpoint::writeSafetensors(*path, tensors, metadata))
    return error;
  auto file = map(*path);
  if (!file)
    return file.takeError();
  visitArrays(entry.weight, Reader{*file});
  return llvm::Error::success();
}

/// The parts of a record from a file's metadata.
static RoundingRecord readRecord(const std::map<std::string, std::string> &metadata) {
  RoundingRecord record;
  for (const auto &[key, text] : metadata) {
    StringRef name = key;
    std::optional<double> value = fromExact(text);
    if (name == "method")
      record.method = text;
    else if (name == "seconds")
      record.seconds = value.value_or(0);
    else if (name == "error")
      record.error = value;
    else if (name == "error_rtn")
      record.errorRtn = value;
    else if (name.consume_front("figure.") && value)
      record.figures.emplace_back(name.str(), *value);
  }
  return record;
}

/// Whether the arrays are those of a weight of this shape and scheme.
static bool isWhole(const PackedWeight &weight) {
  size_t wordsPerRow = (weight.columns * weight.scheme.bits + 31) / 32;
  bool codes = weight.words.empty() ? weight.codes.size() == size_t(weight.rows * weight.columns)
                                    : weight.words.size() == weight.rows * wordsPerRow;
  size_t scales = numerics::scaleCount(weight.scheme, weight.rows, weight.columns);
  return codes && weight.scales.size() == scales &&
         weight.zeroPoints.size() == (weight.scheme.symmetric ? 0 : scales) &&
         (weight.groupIndex.empty() || weight.groupIndex.size() == size_t(weight.columns));
}

llvm::Expected<std::optional<LayerStore::Entry>>
LayerStore::find(LinearOp layer, const numerics::WeightScheme &scheme, StringRef made) {
  llvm::Expected<std::string> named = fileOf(layer);
  if (!named)
    return named.takeError();
  const std::string &path = *named;
  if (llvm::Error error = share(path))
    return std::move(error);
  if (!llvm::sys::fs::exists(path))
    return std::nullopt;
  auto file = map(path);
  if (!file)
    return file.takeError();
  std::map<std::string, std::string> metadata = (*file)->metadata();
  if (metadata["made"] != made)
    return failure(path, "the layer was rounded from another weight or other calibration samples; "
                         "repeat the command that the folder is of, or name a new folder");
  Entry entry;
  entry.record = readRecord(metadata);
  PackedWeight &weight = entry.weight;
  weight.rows = layer.getOutFeatures();
  weight.columns = layer.getInFeatures();
  if (OutliersAttr outliers = layer.getOutliersAttr(); dropsOutliers(outliers))
    weight.columns -= outliers.getColumns().size();
  weight.scheme = scheme;
  weight.sparse.type =
      metadata["sparse_type"] == "F16" ? numerics::ShortFloat::F16 : numerics::ShortFloat::BF16;
  if (metadata.count("quantized_scales_mean")) {
    weight.quantizedScales.emplace();
    weight.quantizedScales->mean = fromExact(metadata["quantized_scales_mean"]).value_or(0);
  }
  if (metadata.count("progressive"))
    weight.progressive.emplace();
  Reader reader{*file};
  visitArrays(weight, reader);
  if (!reader.fits || !isWhole(weight))
    return failure(path, "the file is damaged; delete it, and the layer is rounded again");
  return entry;
}
