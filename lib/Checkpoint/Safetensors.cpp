// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reading a header nobody vouches for: every length and offset in it is checked against the file
// before it is used. Only the header's pages are read; the kernel brings in tensor data when it is
// touched.
//
#include "ptq/Checkpoint/Safetensors.h"

#include "ptq/Checkpoint/StrictJSON.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace llvm;

namespace ptq::checkpoint {
namespace {

constexpr uint64_t lengthBytes = 8;
constexpr StringLiteral metadataKey = "__metadata__";

/// Turns a header's text into tensors and metadata. Positions in errors are bytes of the file.
class HeaderReader {
public:
  HeaderReader(StringRef path, StringRef header, uint64_t dataBytes)
      : path(path), header(header), dataBytes(dataBytes) {}

  Error read();

  std::vector<TensorInfo> infos;
  std::map<std::string, std::string> metadata;

private:
  Error readMetadata(const json::Value &value);
  Error readTensor(StringRef name, const json::Value &value);
  Error readShape(TensorInfo &info, const json::Object &object);
  Error readOffsets(TensorInfo &info, const json::Object &object);
  Error checkTiling();

  Error failure(const Twine &message) const {
    return createStringError("'" + path + "': " + message);
  }
  Error tensorFailure(StringRef name, const Twine &message) const {
    return failure("tensor '" + name + "' (header entry at byte " + Twine(entryPosition(name)) +
                   "): " + message);
  }
  Error dataFailure(const TensorInfo &info, const Twine &message) const {
    uint64_t dataStart = lengthBytes + header.size();
    return tensorFailure(info.name, "its data, bytes " + Twine(dataStart + info.begin) + " to " +
                                        Twine(dataStart + info.end) + ", " + message);
  }

  /// The byte in the file where the name stands as a key; the header's start if it is spelled with
  /// escapes.
  uint64_t entryPosition(StringRef name) const {
    std::string quoted = ("\"" + name + "\"").str();
    for (size_t at = header.find(quoted); at != StringRef::npos; at = header.find(quoted, at + 1))
      if (header.substr(at + quoted.size()).ltrim().starts_with(":"))
        return lengthBytes + at;
    return lengthBytes;
  }

  StringRef path, header;
  uint64_t dataBytes;
};

Error HeaderReader::read() {
  Expected<json::Value> root = parseStrictJSON(header);
  if (!root)
    return failure("the header (" + Twine(header.size()) + " bytes from byte " +
                   Twine(lengthBytes) + " on) is damaged: " + llvm::toString(root.takeError()) +
                   "; fetch or write the file again");
  const json::Object *object = root->getAsObject();
  if (!object)
    return failure("the header at byte " + Twine(lengthBytes) +
                   " is not a JSON object; is this a safetensors file?");
  infos.reserve(object->size());
  for (const auto &[key, value] : *object)
    if (Error error = StringRef(key) == metadataKey ? readMetadata(value) : readTensor(key, value))
      return error;
  sort(infos, [](const TensorInfo &a, const TensorInfo &b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  return checkTiling();
}

Error HeaderReader::readMetadata(const json::Value &value) {
  const json::Object *object = value.getAsObject();
  if (!object)
    return failure("'__metadata__' is not an object of strings; write the file again");
  for (const auto &[key, entry] : *object) {
    std::optional<StringRef> text = entry.getAsString();
    if (!text)
      return failure("'__metadata__' holds '" + StringRef(key) +
                     "', which is not a string; write the file again with strings only");
    metadata.emplace(key.str(), text->str());
  }
  return Error::success();
}

Error HeaderReader::readTensor(StringRef name, const json::Value &value) {
  const json::Object *object = value.getAsObject();
  if (!object)
    return tensorFailure(name, "its entry is not an object with dtype, shape and data_offsets");
  TensorInfo info;
  info.name = name.str();

  std::optional<StringRef> text = object->getString("dtype");
  if (!text)
    return tensorFailure(name, "it has no dtype (a string); write the file again");
  std::optional<DType> dtype = parseDType(*text);
  if (!dtype)
    return tensorFailure(name, "its dtype '" + *text +
                                   "' is not known; convert it to one of BOOL, [UI]8 to [UI]64, "
                                   "F16, BF16, F32, F64, F8_E4M3, F8_E5M2");
  info.dtype = *dtype;

  if (Error error = readShape(info, *object))
    return error;
  if (Error error = readOffsets(info, *object))
    return error;
  infos.push_back(std::move(info));
  return Error::success();
}

Error HeaderReader::readShape(TensorInfo &info, const json::Object &object) {
  const json::Array *shape = object.getArray("shape");
  if (!shape)
    return tensorFailure(info.name, "it has no shape (a list of integers); write the file again");
  int64_t elements = 1;
  for (const json::Value &value : *shape) {
    // Not getAsInteger: that converts floats, 2^63 among them.
    std::optional<uint64_t> extent = value.getAsUINT64();
    if (!extent || *extent > uint64_t(std::numeric_limits<int64_t>::max()))
      return tensorFailure(info.name, "extent " + Twine(info.shape.size()) +
                                          " of its shape is not an integer from 0 to 2^63 - 1; "
                                          "write the file again");
    info.shape.push_back(static_cast<int64_t>(*extent));
    if (MulOverflow(elements, info.shape.back(), elements))
      return tensorFailure(info.name, "the product of its shape is 2^63 or more; "
                                      "the header is damaged, fetch the file again");
  }
  return Error::success();
}

Error HeaderReader::readOffsets(TensorInfo &info, const json::Object &object) {
  const json::Array *offsets = object.getArray("data_offsets");
  std::optional<uint64_t> begin, end;
  if (offsets && offsets->size() == 2) {
    begin = (*offsets)[0].getAsUINT64();
    end = (*offsets)[1].getAsUINT64();
  }
  if (!begin || !end)
    return tensorFailure(info.name, "it has no data_offsets (two integers, 0 or more); "
                                    "write the file again");
  info.begin = *begin;
  info.end = *end;
  if (info.begin > info.end)
    return tensorFailure(info.name, "its data_offsets [" + Twine(info.begin) + ", " +
                                        Twine(info.end) +
                                        "] end before they begin; write the file again");
  if (info.end > dataBytes)
    return tensorFailure(info.name, "its data_offsets [" + Twine(info.begin) + ", " +
                                        Twine(info.end) + "] pass the end of the file, which has " +
                                        Twine(dataBytes) +
                                        " bytes of data; the file is cut off, fetch it again");
  int64_t bytes = 0;
  if (MulOverflow<int64_t>(info.numElements(), byteWidth(info.dtype), bytes) ||
      uint64_t(bytes) != info.end - info.begin) {
    std::string shape;
    raw_string_ostream stream(shape);
    interleave(info.shape, stream, "x");
    return dataFailure(info, "are " + Twine(info.end - info.begin) +
                                 " bytes, which is not the size of [" + shape + "] " +
                                 toString(info.dtype) + "; write the file again");
  }
  return Error::success();
}

/// Tensors, in the order of their data, must follow each other without holes and end with the file.
Error HeaderReader::checkTiling() {
  uint64_t covered = 0;
  const TensorInfo *previous = nullptr;
  for (const TensorInfo &info : infos) {
    if (info.begin < covered)
      return dataFailure(info,
                         "overlap those of tensor '" + previous->name + "'; write the file again");
    if (info.begin > covered)
      return dataFailure(info, "leave a hole of " + Twine(info.begin - covered) +
                                   " bytes before them, which the format forbids; "
                                   "write the file again");
    covered = info.end;
    previous = &info;
  }
  if (covered != dataBytes)
    return failure("bytes " + Twine(lengthBytes + header.size() + covered) + " to " +
                   Twine(lengthBytes + header.size() + dataBytes) +
                   " belong to no tensor, which the format forbids; write the file again");
  return Error::success();
}

} // namespace

int64_t TensorInfo::numElements() const {
  int64_t elements = 1;
  for (int64_t extent : shape)
    elements *= extent;
  return elements;
}

Expected<std::shared_ptr<const SafetensorsFile>> SafetensorsFile::open(StringRef path) {
  auto failure = [&](const Twine &message) {
    return createStringError("'" + path + "': " + message);
  };
  Expected<sys::fs::file_t> handle = sys::fs::openNativeFileForRead(path);
  if (!handle)
    return failure("cannot open: " + llvm::toString(handle.takeError()) + "; check the path");
  scope_exit close([&] { (void)sys::fs::closeFile(*handle); });

  sys::fs::file_status status;
  if (std::error_code code = sys::fs::status(*handle, status))
    return failure("cannot read: " + code.message());
  if (status.type() != sys::fs::file_type::regular_file)
    return failure("not a regular file, so it cannot be mapped; give a .safetensors file");
  uint64_t size = status.getSize();
  if (size < lengthBytes)
    return failure("the file has " + Twine(size) + " bytes, but the header's length alone takes " +
                   Twine(lengthBytes) + "; the file is cut off, fetch it again");

  auto file = std::shared_ptr<SafetensorsFile>(new SafetensorsFile());
  file->filePath = path.str();
  std::error_code code;
  file->mapping =
      sys::fs::mapped_file_region(*handle, sys::fs::mapped_file_region::readonly, size, 0, code);
  if (code)
    return failure("cannot map " + Twine(size) + " bytes: " + code.message());
  file->guarded = MappedFileRange(file->mapping.const_data(), size, path);

  const char *bytes = file->mapping.const_data();
  uint64_t headerBytes = support::endian::read64le(bytes);
  if (headerBytes > maxHeaderBytes)
    return failure("byte 0 gives the header's length as " + Twine(headerBytes) +
                   ", over the format's limit of " + Twine(maxHeaderBytes) +
                   "; is this a safetensors file?");
  if (headerBytes > size - lengthBytes)
    return failure("byte 0 gives the header's length as " + Twine(headerBytes) +
                   ", but the file ends at byte " + Twine(size) +
                   "; the file is cut off, fetch it again");

  file->dataStart = lengthBytes + headerBytes;
  HeaderReader reader(path, StringRef(bytes + lengthBytes, headerBytes), size - file->dataStart);
  if (Error error = reader.read())
    return error;
  file->infos = std::move(reader.infos);
  file->metadataEntries = std::move(reader.metadata);
  for (size_t i = 0; i < file->infos.size(); ++i)
    file->indexOfName[file->infos[i].name] = i;
  return file;
}

const TensorInfo *SafetensorsFile::find(StringRef name) const {
  auto found = indexOfName.find(name);
  return found == indexOfName.end() ? nullptr : &infos[found->second];
}

ArrayRef<char> SafetensorsFile::data(const TensorInfo &info) const {
  return ArrayRef<char>(mapping.const_data() + dataStart + info.begin, info.end - info.begin);
}

bool SafetensorsFile::isAligned(const TensorInfo &info) const {
  return (dataStart + info.begin) % byteWidth(info.dtype) == 0;
}

} // namespace ptq::checkpoint
