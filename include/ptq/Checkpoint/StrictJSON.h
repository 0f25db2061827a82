// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// JSON from a source one does not trust.
//
#ifndef PTQ_CHECKPOINT_STRICTJSON_H
#define PTQ_CHECKPOINT_STRICTJSON_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace ptq::checkpoint {

/// llvm::json::parse, made safe for hostile text: nesting deeper than 64 is an error (LLVM's parser
/// recurses, and would overflow the stack), and so is an object with the same key twice (LLVM's
/// parser keeps the last, silently). Errors name the byte in `text`, without a file's name.
llvm::Expected<llvm::json::Value> parseStrictJSON(llvm::StringRef text);

} // namespace ptq::checkpoint

#endif // PTQ_CHECKPOINT_STRICTJSON_H
