// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Changing parameters where they are read.

#ifndef PTQ_LIB_ANALYSIS_CHANNELSCALEWEIGHT_H
#define PTQ_LIB_ANALYSIS_CHANNELSCALEWEIGHT_H

#include "ChannelScaleConstant.h"

#include "mlir/IR/Operation.h"
#include "mlir/IR/Value.h"
#include <string>
#include <vector>

namespace ptq::channel_scale {

/// Replaces parameters by edited ones, at single uses. An operand that is a transpose, reshape or
/// cast of a stored parameter is changed in the parameter, which keeps its layout; other uses of
/// the parameter keep the old one.
class ParameterRewriter {
public:
  /// `use` is to read the edited value. Where the parameter must be cloned, the clone is called
  /// `cloneKey`, or after the parameter if that is empty, made unique in the module.
  void add(mlir::OpOperand &use, ConstantEdit edit, std::string cloneKey);

  /// Computes all new data. Changes nothing; errors name the parameter.
  llvm::Error compute();

  /// Changes the program. After a successful compute only.
  void commit();

private:
  struct Request {
    mlir::OpOperand *use;
    ConstantEdit edit; ///< Over the dimensions of `root`.
    std::string cloneKey;
    mlir::Value root;
    /// From `root` to the operand, in order; empty if `root` is the operand.
    llvm::SmallVector<mlir::Operation *> chain;
    /// No value of the chain has another use.
    bool exclusive = true;
  };
  /// One new constant.
  struct Product {
    mlir::Value root;
    ConstantEdit edit;
    llvm::SmallVector<Request *> requests;
    mlir::ElementsAttr data;
    std::string key;
  };

  void resolve(Request &request);
  llvm::Error compute(Product &product, bool keepsKey);

  std::vector<Request> requests;
  std::vector<Product> products;
};

} // namespace ptq::channel_scale

#endif
