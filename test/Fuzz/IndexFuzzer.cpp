// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Opens any bytes as the index of a sharded checkpoint beside two shards, with a third one outside
// of the folder, which must never be read.

#include "InputFolder.h"
#include "ptq/Checkpoint/Checkpoint.h"
#include "ptq/Checkpoint/SafetensorsWriter.h"

using namespace ptq;

namespace {

class ShardFolder : public fuzz::InputFolder {
public:
  ShardFolder() {
    for (const char *name : {"in", "in/sub"})
      (void)llvm::sys::fs::create_directory(path() + "/" + name);
    add("in/a.safetensors", "x");
    add("in/sub/b.safetensors", "y");
    add("secret.safetensors", "z");
  }

private:
  void add(llvm::StringRef file, llvm::StringRef tensor) {
    const float value = 1;
    checkpoint::TensorEntry entry{tensor.str(),
                                  checkpoint::DType::F32,
                                  {1},
                                  llvm::ArrayRef<char>(reinterpret_cast<const char *>(&value), 4)};
    llvm::cantFail(checkpoint::writeSafetensors((path() + "/" + file).str(), {entry}, {}));
  }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static ShardFolder folder;
  std::string index = folder.write("in/model.safetensors.index.json", fuzz::textOf(data, size));
  auto opened = checkpoint::Checkpoint::open({index});
  if (!opened) {
    fuzz::require(!llvm::toString(opened.takeError()).empty(), "an error says what is wrong");
    return 0;
  }
  fuzz::require(!(*opened)->lookup("z"), "no shard outside of the index's folder is read");
  for (llvm::StringRef name : {"x", "y"})
    if (auto tensor = (*opened)->lookup(name))
      fuzz::require(tensor->data.size() == 4, "a shard's tensor has its bytes");
  return 0;
}
