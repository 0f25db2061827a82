// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Folders are written under a temporary name in the target's parent and renamed: a rename is atomic
// within one file system.

#include "ptq/Checkpoint/ModelFolder.h"

#include "ptq/Checkpoint/AtomicFile.h"
#include "ptq/Checkpoint/StrictJSON.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace ptq::checkpoint {
namespace {

constexpr StringLiteral weightsName = "model.safetensors";
constexpr StringLiteral indexName = "model.safetensors.index.json";
constexpr uint64_t maxConfigBytes = 100'000'000;

std::string inside(StringRef folder, StringRef name) {
  SmallString<256> path(folder);
  sys::path::append(path, name);
  return path.str().str();
}

Error failure(StringRef path, const Twine &message) {
  return createStringError("'" + path + "': " + message);
}

Expected<json::Object> readObject(const std::string &path) {
  uint64_t size = 0;
  if (std::error_code code = sys::fs::file_size(path, size))
    return failure(path, code.message() + "; give a model's folder, with its config.json");
  if (size > maxConfigBytes)
    return failure(path, "it has " + Twine(size) + " bytes, too many for a configuration");
  ErrorOr<std::unique_ptr<MemoryBuffer>> buffer = MemoryBuffer::getFile(
      path, /*IsText=*/false, /*RequiresNullTerminator=*/true, /*IsVolatile=*/true);
  if (!buffer)
    return failure(path, buffer.getError().message());
  Expected<json::Value> root = parseStrictJSON((*buffer)->getBuffer());
  if (!root)
    return failure(path, toString(root.takeError()));
  if (json::Object *object = root->getAsObject())
    return std::move(*object);
  return failure(path, "it is not a JSON object");
}

/// Names of a folder's entries, sorted.
Expected<std::vector<std::string>> entriesOf(StringRef folder) {
  std::vector<std::string> names;
  std::error_code code;
  for (sys::fs::directory_iterator i(folder, code), end; i != end && !code; i.increment(code))
    names.push_back(sys::path::filename(i->path()).str());
  if (code)
    return failure(folder, code.message());
  sort(names);
  return names;
}

/// Weights, in this format or another, and what describes them: all that a new folder has its own
/// of.
bool isReplaced(StringRef name) {
  for (StringRef end : {".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".pt",
                        ".pth", ".gguf", ".h5", ".msgpack", ".onnx", ".ckpt"})
    if (name.ends_with(end))
      return true;
  return name == "config.json" || name == "quantize_config.json" || name.starts_with(".");
}

Error copyRest(const std::string &from, const std::string &to, unsigned depth = 0) {
  Expected<std::vector<std::string>> names = entriesOf(from);
  if (!names)
    return names.takeError();
  for (const std::string &name : *names) {
    std::string source = inside(from, name), target = inside(to, name);
    if (isReplaced(name))
      continue;
    if (sys::fs::is_directory(source)) {
      // It could lead back to a folder that it is in.
      if (sys::fs::is_symlink_file(source))
        return failure(source, "links to folders are not followed; put the folder in its place, or "
                               "remove the link");
      if (depth == 16)
        return failure(source, "folders are nested too deep to copy");
      if (std::error_code code = sys::fs::create_directory(target, true, sys::fs::all_all))
        return failure(target, code.message());
      if (Error error = copyRest(source, target, depth + 1))
        return error;
    } else if (sys::fs::is_regular_file(source)) {
      if (std::error_code code = sys::fs::copy_file(source, target))
        return failure(source, "cannot be copied: " + code.message());
      if (Error error = synchronizeToDisk(target))
        return error;
    }
  }
  return synchronizeToDisk(to);
}

Error writeObject(const std::string &path, const json::Object &object) {
  return writeFileAtomically(path, [&](raw_pwrite_stream &stream) {
    stream << formatv("{0:2}", json::Value(json::Object(object))) << '\n';
    return Error::success();
  });
}

Error writeTensors(const std::string &folder, std::vector<TensorEntry> tensors,
                   uint64_t maxShardBytes) {
  sort(tensors, [](const TensorEntry &a, const TensorEntry &b) { return a.name < b.name; });
  std::vector<std::vector<TensorEntry>> shards(1);
  uint64_t total = 0, inShard = 0;
  for (TensorEntry &tensor : tensors) {
    uint64_t bytes = tensor.data.size();
    if (!shards.back().empty() && inShard + bytes > maxShardBytes) {
      shards.emplace_back();
      inShard = 0;
    }
    total += bytes;
    inShard += bytes;
    shards.back().push_back(std::move(tensor));
  }
  const std::map<std::string, std::string> metadata{{"format", "pt"}};
  if (shards.size() == 1)
    return writeSafetensors(inside(folder, weightsName), shards.front(), metadata);
  json::Object weightMap;
  for (auto [i, shard] : enumerate(shards)) {
    std::string name = formatv("model-{0,0+5:d}-of-{1,0+5:d}.safetensors", i + 1, shards.size());
    if (Error error = writeSafetensors(inside(folder, name), shard, metadata))
      return error;
    for (const TensorEntry &tensor : shard)
      weightMap[tensor.name] = name;
  }
  return writeObject(inside(folder, indexName),
                     json::Object{{"metadata", json::Object{{"total_size", int64_t(total)}}},
                                  {"weight_map", std::move(weightMap)}});
}

} // namespace

Expected<ModelFolder> ModelFolder::open(StringRef path) {
  ModelFolder folder;
  folder.path = path.str();
  Expected<json::Object> config = readObject(inside(path, "config.json"));
  if (!config)
    return config.takeError();
  folder.config = std::move(*config);
  std::string weights = inside(path, indexName);
  if (!sys::fs::exists(weights))
    weights = inside(path, weightsName);
  if (!sys::fs::exists(weights)) {
    Expected<std::vector<std::string>> names = entriesOf(path);
    if (!names)
      return names.takeError();
    erase_if(*names, [](StringRef name) { return !name.ends_with(".safetensors"); });
    if (names->size() != 1)
      return failure(path, "it holds neither " + weightsName + " nor " + indexName +
                               "; give a folder with weights in safetensors");
    weights = inside(path, names->front());
  }
  Expected<std::shared_ptr<const Checkpoint>> tensors = Checkpoint::open({weights});
  if (!tensors)
    return tensors.takeError();
  folder.tensors = std::move(*tensors);
  return folder;
}

Expected<std::optional<QuantizationConfig>> ModelFolder::quantization() const {
  auto parse = [&](const json::Object &object) -> Expected<std::optional<QuantizationConfig>> {
    Expected<QuantizationConfig> parsed = parseQuantizationConfig(object);
    if (!parsed)
      return failure(path, toString(parsed.takeError()));
    return std::optional(std::move(*parsed));
  };
  for (StringRef key : {"quantization_config", "compression_config"})
    if (const json::Value *value = config.get(key); value && value->kind() != json::Value::Null) {
      const json::Object *object = value->getAsObject();
      if (!object)
        return failure(inside(path, "config.json"), "its '" + key + "' is not an object");
      return parse(*object);
    }
  std::string older = inside(path, "quantize_config.json");
  if (!sys::fs::exists(older))
    return std::nullopt;
  Expected<json::Object> object = readObject(older);
  if (!object)
    return object.takeError();
  return parse(*object);
}

Error writeModelFolder(StringRef path, const ModelFolder &source, json::Object config,
                       std::vector<TensorEntry> tensors, uint64_t maxShardBytes) {
  SmallString<256> target(path);
  while (target.size() > 1 && sys::path::is_separator(target.back()))
    target.pop_back();
  if (sys::fs::exists(target)) {
    Expected<std::vector<std::string>> names = entriesOf(target);
    if (!names)
      return names.takeError();
    if (!names->empty())
      return failure(target, "it exists and is not empty; name a new folder, or remove it");
  }
  SmallString<256> temporary(sys::path::parent_path(target));
  sys::path::append(temporary, ".ptq-%%%%%%%%%%%%.tmp");
  SmallString<256> model(temporary);
  sys::fs::createUniquePath(model, temporary, /*MakeAbsolute=*/false);
  if (std::error_code code =
          sys::fs::create_directory(temporary, /*IgnoreExisting=*/false, sys::fs::all_all))
    return failure(target, "cannot be written: " + code.message() +
                               "; check that its parent folder exists and may be written to");
  scope_exit cleanUp([&] { (void)sys::fs::remove_directories(temporary); });
  std::string folder = temporary.str().str();
  if (Error error = copyRest(source.path, folder))
    return error;
  if (const json::Object *quantization = config.getObject("quantization_config"))
    if (quantization->getString("quant_method") == StringRef("gptq"))
      if (Error error = writeObject(inside(folder, "quantize_config.json"), *quantization))
        return error;
  if (Error error = writeObject(inside(folder, "config.json"), config))
    return error;
  if (Error error = writeTensors(folder, std::move(tensors), maxShardBytes))
    return error;
  if (std::error_code code = sys::fs::rename(folder, target))
    return failure(target, "cannot be put in place: " + code.message());
  cleanUp.release();
  return synchronizeToDisk(sys::path::parent_path(target));
}

} // namespace ptq::checkpoint
