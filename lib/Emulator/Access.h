// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One lane's access to memory, with all its checks: alignment, bounds, undefined bytes, races.
//
#ifndef PTQ_LIB_EMULATOR_ACCESS_H
#define PTQ_LIB_EMULATOR_ACCESS_H

#include "Machine.h"

#include <optional>

namespace ptq::emulator {

/// Where an address leads.
struct Location {
  uint8_t *data = nullptr;
  /// Null: all bytes are defined.
  uint8_t *state = nullptr;
  /// The cell of the word that holds the first byte; null where races cannot be.
  ShadowCell *cells = nullptr;
  Space space = Space::Global;
  bool readOnly = false;
};

/// The addresses of a request, as generic ones. Findings if undefined.
void computeAddresses(Warp &warp, const Instruction &instruction, unsigned addressOperand,
                      uint32_t mask, uint64_t *addresses);

/// The same for one of an instruction's several addresses.
void computeAddress(Warp &warp, const Instruction &instruction, unsigned which, uint32_t mask,
                    uint64_t *addresses);

/// What a finding says of an address: shared, local and parameter addresses are relative to their
/// window.
uint64_t addressInSpace(uint64_t address);

/// Finds `bytes` at a generic address. Findings: misalignment (the access is then made all the
/// same), bounds (false).
bool locate(Warp &warp, const Instruction &instruction, unsigned lane, uint64_t address,
            unsigned bytes, AccessKind kind, Location &location);

/// The same without alignment, for any number of bytes.
bool locateUnaligned(Warp &warp, const Instruction &instruction, unsigned lane, uint64_t address,
                     unsigned bytes, AccessKind kind, Location &location);

/// Checks for races and records the access. `value`: what is written, to tell a write of what is
/// there already. `agent`: an asynchronous access that the warp issues, see Race.h.
void checkRace(Warp &warp, const Instruction &instruction, unsigned lane, uint64_t address,
               unsigned bytes, AccessKind kind, const Location &location,
               const uint8_t *value = nullptr, std::optional<unsigned> agent = std::nullopt);

/// The finding of a race.
void reportRace(const DeferredRace &race);

/// Reads and reports use of a pending cp.async. True if all bytes are defined.
bool readBytes(Warp &warp, const Instruction &instruction, unsigned lane, uint64_t address,
               const Location &location, unsigned bytes, uint8_t *result);
void writeBytes(Warp &warp, const Instruction &instruction, unsigned lane, uint64_t address,
                const Location &location, unsigned bytes, const uint8_t *value, bool defined);

/// The common access to shared memory, `bytes` a multiple of 4: within bounds, aligned, defined,
/// and of no conflict. Checks and records it as the functions above do, and returns the data; null
/// where it is any other case.
const uint8_t *readShared(Warp &warp, const Instruction &instruction, uint64_t address,
                          unsigned bytes);
bool writeShared(Warp &warp, const Instruction &instruction, uint64_t address, unsigned bytes,
                 const uint8_t *value);

/// Counts the request as global or shared, by the first lane's address.
void countRequest(Warp &warp, const Instruction &instruction, const uint64_t *addresses,
                  uint32_t mask, unsigned bytes);

} // namespace ptq::emulator

#endif // PTQ_LIB_EMULATOR_ACCESS_H
