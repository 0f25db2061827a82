// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ptq/Support/Progress.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>

using namespace ptq;

Progress::Progress(llvm::StringRef title, int64_t total)
    : title(title), total(std::max<int64_t>(total, 1)),
      enabled(llvm::sys::Process::StandardErrIsDisplayed()),
      start(std::chrono::steady_clock::now()) {}

Progress::~Progress() {
  if (enabled)
    llvm::errs() << "\r\x1b[K";
}

void Progress::begin(llvm::StringRef item) {
  if (enabled)
    draw(item);
}

void Progress::advance() { ++done; }

void Progress::draw(llvm::StringRef item) {
  constexpr int64_t width = 24;
  int64_t filled = std::min(width, done * width / total);
  std::string bar = std::string(filled, '#') + std::string(width - filled, '.');
  llvm::errs() << "\r\x1b[K" << title << " [" << bar << "] " << done << '/' << total << ' ' << item;
  if (done > 0) {
    double elapsed =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    llvm::errs() << llvm::format(", %.0f s left",
                                 elapsed / done * std::max<int64_t>(0, total - done));
  }
  llvm::errs().flush();
}
