// What a controller module of edged needs in AssemblyScript: the exports of the guest ABI edged_ctl_v1, wired by one
// registration, and its imports as functions.
//
//   import { Controller, register } from ".../sdk/assemblyscript";
//   export * from ".../sdk/assemblyscript/exports";
//   class Mine extends Controller { ... }
//   register(new Mine());
//
// Build with
//
//   asc module.ts -o module.wasm -Oz --noAssert --runtime minimal --use abort= --exportStart _initialize
//
// The host runs one export at a time, and no export while an import is waiting. Memory of the module is never the truth:
// it may be gone at the next call. docs/controllers-abi.md is the reference.

export * from "./controller";
export * from "./declarations";
export * from "./errors";
export * from "./imports";
export { Json, parsed, written } from "./json";
