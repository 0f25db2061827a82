// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Arguments.h"
#include "ptq/Checkpoint/AtomicFile.h"

#include "llvm/Support/MemoryBuffer.h"

#include <cmath>
#include <cstring>

using namespace ptq::emulator;
using llvm::StringRef;

static llvm::Error malformed(StringRef text, const llvm::Twine &why) {
  return llvm::createStringError("argument '" + text + "': " + why);
}

template <class T> static std::vector<char> bytesOf(T value, unsigned bytes = sizeof(T)) {
  std::vector<char> result(sizeof(T));
  std::memcpy(result.data(), &value, sizeof(T));
  result.resize(bytes);
  return result;
}

static llvm::Expected<Argument> parseScalar(StringRef text, StringRef typeText, StringRef number) {
  auto type = parseType(("." + typeText).str());
  if (!type || !isRegisterType(*type) || *type == Type::Pred)
    return malformed(
        text, "expected in:FILE, out:FILE:BYTES, inout:FILE, bytes:FILE, or a scalar such as "
              "u32:7, s64:-1, f32:0.5, b8:255");
  Argument argument(Argument::Scalar);
  unsigned bits = typeBits(*type);
  if (*type == Type::F32 || *type == Type::F64) {
    double value;
    if (number.getAsDouble(value))
      return malformed(text, "'" + number + "' is not a number");
    argument.value = *type == Type::F64 ? bytesOf(value) : bytesOf(static_cast<float>(value));
    return argument;
  }
  if (isFloat(*type))
    return malformed(text, "give 16-bit floats by their bits, as b16:0x3c00");
  uint64_t value = 0;
  int64_t negative = 0;
  if (number.starts_with("-")) {
    bool outOfRange =
        number.getAsInteger(0, negative) || (bits < 64 && negative < -(int64_t(1) << (bits - 1)));
    if (outOfRange || typeText.starts_with("u"))
      return malformed(text, "'" + number + "' is not a value of ." + typeText);
    value = static_cast<uint64_t>(negative);
  } else if (number.getAsInteger(0, value) || (bits < 64 && value >> bits) ||
             (isSigned(*type) && value >> (bits - 1))) {
    return malformed(text, "'" + number + "' is not a value of ." + typeText);
  }
  argument.value = bytesOf(value, bits / 8);
  return argument;
}

llvm::Expected<Argument> parseArgument(StringRef text) {
  auto [head, rest] = text.split(':');
  if (head == "in" || head == "inout" || head == "bytes") {
    Argument argument(head == "in"      ? Argument::In
                      : head == "inout" ? Argument::InOut
                                        : Argument::Bytes);
    argument.file = rest.str();
    if (rest.empty())
      return malformed(text, "expected " + head + ":FILE");
    return argument;
  }
  if (head == "out") {
    Argument argument(Argument::Out);
    auto [file, bytes] = rest.rsplit(':');
    argument.file = file.str();
    if (file.empty() || bytes.getAsInteger(0, argument.bytes))
      return malformed(text, "expected out:FILE:BYTES");
    return argument;
  }
  return parseScalar(text, head, rest);
}

llvm::Expected<std::vector<char>> prepare(Device &device, Argument &argument) {
  if (argument.kind == Argument::Scalar)
    return argument.value;
  std::vector<char> contents;
  if (argument.kind != Argument::Out) {
    auto file = llvm::MemoryBuffer::getFile(argument.file, false, false);
    if (!file)
      return llvm::createStringError("cannot read '" + argument.file +
                                     "': " + file.getError().message());
    contents.assign((*file)->getBufferStart(), (*file)->getBufferEnd());
    argument.bytes = contents.size();
  }
  if (argument.kind == Argument::Bytes)
    return contents;
  auto address = device.allocate(argument.bytes);
  if (!address)
    return address.takeError();
  argument.address = *address;
  if (llvm::Error error = argument.kind == Argument::Out ? device.fill(*address, argument.bytes, 0)
                                                         : device.write(*address, contents))
    return std::move(error);
  return bytesOf(*address);
}

llvm::Error writeBack(Device &device, const Argument &argument) {
  if (argument.kind != Argument::Out && argument.kind != Argument::InOut)
    return llvm::Error::success();
  std::vector<char> contents(argument.bytes);
  if (llvm::Error error = device.read(argument.address, contents))
    return error;
  return ptq::checkpoint::writeFileAtomically(argument.file, [&](llvm::raw_pwrite_stream &stream) {
    stream.write(contents.data(), contents.size());
    return llvm::Error::success();
  });
}
