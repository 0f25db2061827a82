// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values of a quantization_config, each checked for its type and range: a configuration comes from
// a file that one does not trust, and a value of the wrong type is never taken for an absent one.

#ifndef PTQ_LIB_CHECKPOINT_CONFIGVALUES_H
#define PTQ_LIB_CHECKPOINT_CONFIGVALUES_H

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <string>
#include <vector>

namespace ptq::checkpoint::config {

/// "its quantization_config: " and the message.
llvm::Error failure(const llvm::Twine &message);
/// The same, for what is a method, format or type of others.
llvm::Error unsupported(const llvm::Twine &what);

/// An integer from 2 to 8 that must be there.
llvm::Expected<unsigned> readBits(const llvm::json::Object &object, llvm::StringRef key);
/// A positive integer or -1 that must be there.
llvm::Expected<int64_t> readGroupSize(const llvm::json::Object &object, llvm::StringRef key);
/// A boolean; `absent` where it is missing or null.
llvm::Expected<bool> readFlag(const llvm::json::Object &object, llvm::StringRef key, bool absent);
/// A string; `absent` where it is missing or null.
llvm::Expected<llvm::StringRef> readText(const llvm::json::Object &object, llvm::StringRef key,
                                         llvm::StringRef absent);
/// An object; null where it is missing or null.
llvm::Expected<const llvm::json::Object *> readObject(const llvm::json::Object &object,
                                                      llvm::StringRef key);
/// An array of strings; none where it is missing or null.
llvm::Expected<std::vector<std::string>> readStrings(const llvm::json::Object &object,
                                                     llvm::StringRef key);
/// An error unless this is an extended regular expression (POSIX).
llvm::Error checkPattern(llvm::StringRef pattern);

} // namespace ptq::checkpoint::config

#endif // PTQ_LIB_CHECKPOINT_CONFIGVALUES_H
