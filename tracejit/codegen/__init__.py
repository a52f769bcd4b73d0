"""From loop-level programs to machine code: LLVM IR as text, vector math, and the compiler for that text."""
