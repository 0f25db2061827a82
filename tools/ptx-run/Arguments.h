// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A kernel's arguments, as they are typed: in:FILE, out:FILE:BYTES, inout:FILE, or a scalar such as
// u32:7.
//
#ifndef PTQ_TOOLS_PTXRUN_ARGUMENTS_H
#define PTQ_TOOLS_PTXRUN_ARGUMENTS_H

#include "ptq/Emulator/Device.h"

/// One argument.
struct Argument {
  enum Kind { In, Out, InOut, Bytes, Scalar };
  explicit Argument(Kind kind) : kind(kind) {}
  Kind kind;
  /// Buffers, and Bytes (a structure by value): the file.
  std::string file;
  uint64_t bytes = 0;
  /// Scalars: the value's bytes.
  std::vector<char> value;
  /// Buffers: where it is on the device.
  uint64_t address = 0;
};

/// Parses one argument. Errors say what is wrong with it.
llvm::Expected<Argument> parseArgument(llvm::StringRef text);

/// Reads a buffer's file, makes the buffer, and gives the bytes of the kernel's parameter.
llvm::Expected<std::vector<char>> prepare(ptq::emulator::Device &device, Argument &argument);

/// Writes an out or inout buffer to its file.
llvm::Error writeBack(ptq::emulator::Device &device, const Argument &argument);

#endif // PTQ_TOOLS_PTXRUN_ARGUMENTS_H
