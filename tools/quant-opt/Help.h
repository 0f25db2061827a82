// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The first part of --help: this project's passes, before upstream's some six hundred.

#ifndef PTQ_TOOLS_QUANT_OPT_HELP_H
#define PTQ_TOOLS_QUANT_OPT_HELP_H

/// Whether the command line asks for help. --help-hidden and --help-list are upstream's alone.
bool asksForHelp(int argc, char **argv);

/// Prints the passes by stage, with their options, to stdout. They are registered.
void printPassesByStage();

#endif
