// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Progress of long work, on a terminal.

#ifndef PTQ_SUPPORT_PROGRESS_H
#define PTQ_SUPPORT_PROGRESS_H

#include "llvm/ADT/StringRef.h"
#include <chrono>
#include <string>

namespace ptq {

/// One line on stderr that is redrawn: what is done, a bar, the current item and the estimated time
/// left. It is erased at the end. Nothing at all is written where stderr is not a terminal.
class Progress {
public:
  /// `total` items of about equal cost are to come.
  Progress(llvm::StringRef title, int64_t total);
  ~Progress();
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  /// Work on `item` begins.
  void begin(llvm::StringRef item);
  /// Work on the current item is done.
  void advance();

private:
  void draw(llvm::StringRef item);

  std::string title;
  int64_t total;
  int64_t done = 0;
  bool enabled;
  std::chrono::steady_clock::time_point start;
};

} // namespace ptq

#endif
