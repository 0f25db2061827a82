// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One map from names to places in mapped files, filled when a checkpoint is opened.
//
#include "ptq/Checkpoint/Checkpoint.h"

#include "ptq/Checkpoint/StrictJSON.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <set>

using namespace llvm;

namespace ptq::checkpoint {
namespace {

/// An index lists names only; more than this is not one.
constexpr uint64_t maxIndexBytes = 100'000'000;

Error failure(StringRef path, const Twine &message) {
  return createStringError("'" + path + "': " + message);
}

/// Whether `shard` names something in the index's own folder or below it, as text: links are
/// followed, since download caches consist of them.
bool staysInside(StringRef shard) {
  return !shard.empty() && !shard.contains('\0') && !sys::path::is_absolute(shard) &&
         none_of(make_range(sys::path::begin(shard), sys::path::end(shard)),
                 [](StringRef component) { return component == ".."; });
}

/// weight_map of an index: tensor → shard, sorted, so that errors do not depend on a hash's order.
Expected<std::map<std::string, std::string>> readWeightMap(StringRef path) {
  uint64_t size = 0;
  if (std::error_code code = sys::fs::file_size(path, size))
    return failure(path, "cannot open: " + code.message() + "; check the path");
  if (size > maxIndexBytes)
    return failure(path, "the index has " + Twine(size) + " bytes, over the limit of " +
                             Twine(maxIndexBytes) + "; is this a checkpoint's index?");
  ErrorOr<std::unique_ptr<MemoryBuffer>> buffer = MemoryBuffer::getFile(
      path, /*IsText=*/false, /*RequiresNullTerminator=*/true, /*IsVolatile=*/true);
  if (std::error_code code = buffer.getError())
    return failure(path, "cannot read: " + code.message() + "; check the path");
  Expected<json::Value> root = parseStrictJSON((*buffer)->getBuffer());
  if (!root)
    return failure(path, "the index is damaged: " + llvm::toString(root.takeError()) +
                             "; fetch it again");
  const json::Object *object = root->getAsObject();
  const json::Object *weightMap = object ? object->getObject("weight_map") : nullptr;
  if (!weightMap)
    return failure(path, "it has no object 'weight_map'; give the *.safetensors.index.json of a "
                         "sharded checkpoint");
  std::map<std::string, std::string> result;
  for (const auto &[name, value] : *weightMap) {
    std::optional<StringRef> shard = value.getAsString();
    if (!shard)
      return failure(path, "the shard of tensor '" + StringRef(name) +
                               "' is not a string; fetch the index again");
    if (!staysInside(*shard))
      return failure(path, "the shard '" + *shard + "' of tensor '" + StringRef(name) +
                               "' is not a relative path inside the index's folder; "
                               "do not trust this index");
    result.emplace(name.str(), shard->str());
  }
  return result;
}

} // namespace

Error Checkpoint::addFile(StringRef path) {
  Expected<std::shared_ptr<const SafetensorsFile>> file = SafetensorsFile::open(path);
  if (!file)
    return file.takeError();
  size_t fileIndex = mappedFiles.size();
  mappedFiles.push_back(*file);
  for (const TensorInfo &info : (*file)->tensors()) {
    auto [place, inserted] = locations.try_emplace(info.name, Location{fileIndex, &info});
    if (!inserted)
      return failure(path, "tensor '" + info.name + "' is also in '" +
                               mappedFiles[place->second.fileIndex]->path() +
                               "'; give each file once and leave one of the two out");
  }
  return Error::success();
}

Error Checkpoint::addIndex(StringRef path) {
  Expected<std::map<std::string, std::string>> weightMap = readWeightMap(path);
  if (!weightMap)
    return weightMap.takeError();

  // Shards under their normalized path, so that "a" and "./a" are one.
  auto resolve = [&](StringRef shard) {
    SmallString<256> full(sys::path::parent_path(path));
    sys::path::append(full, shard);
    sys::path::remove_dots(full);
    return full.str().str();
  };
  std::set<std::string> shards;
  for (const auto &[name, shard] : *weightMap) {
    std::string full = resolve(shard);
    if (!shards.insert(full).second)
      continue;
    if (!sys::fs::exists(full))
      return failure(path, "shard '" + full + "', which holds tensor '" + name +
                               "', is missing; fetch it into the index's folder");
  }
  for (const std::string &shard : shards)
    if (Error error = addFile(shard))
      return error;

  for (const auto &[name, shard] : *weightMap) {
    auto place = locations.find(name);
    std::string full = resolve(shard);
    if (place == locations.end())
      return failure(path, "tensor '" + name + "' is not in shard '" + full +
                               "', nor in any other; fetch index and shards again");
    StringRef actual = mappedFiles[place->second.fileIndex]->path();
    if (actual != full)
      return failure(path, "tensor '" + name + "' is in '" + actual + "', not in shard '" + full +
                               "'; index and shards do not belong together, fetch them again");
  }
  return Error::success();
}

Expected<std::shared_ptr<const Checkpoint>> Checkpoint::open(ArrayRef<std::string> files) {
  auto checkpoint = std::shared_ptr<Checkpoint>(new Checkpoint());
  for (StringRef path : files)
    if (Error error = path.ends_with_insensitive(".json") ? checkpoint->addIndex(path)
                                                          : checkpoint->addFile(path))
      return error;
  for (const auto &entry : checkpoint->locations)
    checkpoint->sortedNames.push_back(entry.getKey());
  sort(checkpoint->sortedNames);
  return checkpoint;
}

std::optional<TensorView> Checkpoint::lookup(StringRef name) const {
  auto found = locations.find(name);
  if (found == locations.end())
    return std::nullopt;
  auto [fileIndex, info] = found->second;
  const std::shared_ptr<const SafetensorsFile> &file = mappedFiles[fileIndex];
  return TensorView{info, file->data(*info), file};
}

std::optional<StringRef> Checkpoint::suggest(StringRef name) const {
  auto extends = [](StringRef longer, StringRef shorter) {
    return !shorter.empty() && longer.consume_back(shorter) && longer.ends_with(".");
  };
  std::optional<StringRef> nearest, sameEnd;
  // A third of the characters wrong is still a slip of the pen; more is another name.
  unsigned limit = name.size() / 3 + 1;
  size_t longestEnd = 0;
  for (StringRef candidate : sortedNames) {
    size_t end = std::min(name.size(), candidate.size());
    if (end > longestEnd && (extends(candidate, name) || extends(name, candidate))) {
      sameEnd = candidate;
      longestEnd = end;
    }
    if (nearest && limit == 0)
      continue;
    unsigned distance = name.edit_distance(candidate, /*AllowReplacements=*/true, limit);
    if (distance > limit)
      continue;
    nearest = candidate;
    limit = distance - (distance > 0);
  }
  return nearest ? nearest : sameEnd;
}

} // namespace ptq::checkpoint
