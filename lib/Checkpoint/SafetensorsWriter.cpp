// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The header is made first, since it holds every offset; data then go from the caller's memory to
// the disk.
//
#include "ptq/Checkpoint/SafetensorsWriter.h"

#include "ptq/Checkpoint/AtomicFile.h"
#include "ptq/Checkpoint/Safetensors.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"

#include <tuple>
#include <vector>

using namespace llvm;

namespace ptq::checkpoint {
namespace {

constexpr StringLiteral metadataKey = "__metadata__";

/// Data start at a multiple of this: a cache line, and enough for any vector load.
constexpr uint64_t dataAlignment = 64;

Error failure(StringRef path, const Twine &message) {
  return createStringError("cannot write '" + path + "': " + message);
}

Error check(StringRef path, const TensorEntry &entry) {
  if (!json::isUTF8(entry.name))
    return failure(path, "a tensor's name is not UTF-8; rename it");
  if (entry.name == metadataKey)
    return failure(path, "the name '__metadata__' is reserved by the format; rename the tensor");
  int64_t bytes = byteWidth(entry.dtype);
  for (int64_t extent : entry.shape) {
    if (extent < 0)
      return failure(path, "tensor '" + entry.name + "' has the negative extent " + Twine(extent));
    if (MulOverflow(bytes, extent, bytes))
      return failure(path, "the size of tensor '" + entry.name + "' is over 2^63 bytes");
  }
  if (uint64_t(bytes) != entry.data.size())
    return failure(path, "tensor '" + entry.name + "' comes with " + Twine(entry.data.size()) +
                             " bytes, but its shape and dtype take " + Twine(bytes));
  return Error::success();
}

std::string makeHeader(ArrayRef<const TensorEntry *> order,
                       const std::map<std::string, std::string> &metadata) {
  std::string header;
  raw_string_ostream stream(header);
  json::OStream writer(stream);
  writer.object([&] {
    if (!metadata.empty())
      writer.attributeObject(metadataKey, [&] {
        for (const auto &[key, value] : metadata)
          writer.attribute(key, value);
      });
    uint64_t offset = 0;
    for (const TensorEntry *entry : order)
      writer.attributeObject(entry->name, [&] {
        writer.attribute("dtype", toString(entry->dtype));
        writer.attributeArray("shape", [&] {
          for (int64_t extent : entry->shape)
            writer.value(extent);
        });
        writer.attributeArray("data_offsets", [&] {
          writer.value(offset);
          writer.value(offset += entry->data.size());
        });
      });
  });
  writer.flush();
  uint64_t length = sizeof(uint64_t) + header.size();
  header.append(alignTo(length, dataAlignment) - length, ' ');
  return header;
}

} // namespace

Error writeSafetensors(StringRef path, ArrayRef<TensorEntry> tensors,
                       const std::map<std::string, std::string> &metadata) {
  std::vector<const TensorEntry *> order;
  StringSet<> names;
  for (const TensorEntry &entry : tensors) {
    if (Error error = check(path, entry))
      return error;
    if (!names.insert(entry.name).second)
      return failure(path, "two tensors are named '" + entry.name + "'; rename one");
    order.push_back(&entry);
  }
  for (const auto &[key, value] : metadata)
    if (!json::isUTF8(key) || !json::isUTF8(value))
      return failure(path, "the metadata are not UTF-8; encode them");

  sort(order, [](const TensorEntry *a, const TensorEntry *b) {
    unsigned widthA = byteWidth(a->dtype), widthB = byteWidth(b->dtype);
    return std::tie(widthB, a->name) < std::tie(widthA, b->name);
  });

  std::string header = makeHeader(order, metadata);
  if (header.size() > SafetensorsFile::maxHeaderBytes)
    return failure(path, "its header takes " + Twine(header.size()) + " bytes, over the limit of " +
                             Twine(SafetensorsFile::maxHeaderBytes) +
                             "; split the tensors over several files");
  return writeFileAtomically(path, [&](raw_pwrite_stream &stream) {
    char length[sizeof(uint64_t)];
    support::endian::write64le(length, header.size());
    stream.write(length, sizeof length);
    stream << header;
    for (const TensorEntry *entry : order)
      stream.write(entry->data.data(), entry->data.size());
    return Error::success();
  });
}

} // namespace ptq::checkpoint
